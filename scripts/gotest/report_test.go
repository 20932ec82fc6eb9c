package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestReport(t *testing.T) {
	tests := map[string]struct {
		events string
		want   string
		counts tally
	}{
		"a package that passes says so and nothing else": {
			events: `
{"Action":"start","Package":"p"}
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"=== RUN   TestA\n"}
{"Action":"run","Package":"p","Test":"TestA/sub"}
{"Action":"output","Package":"p","Test":"TestA/sub","Output":"chatter\n"}
{"Action":"pass","Package":"p","Test":"TestA/sub"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"skip","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Output":"PASS\n"}
{"Action":"output","Package":"p","Output":"ok  \tp\t0.01s\n"}
{"Action":"pass","Package":"p"}
{"Action":"output","Package":"q","Output":"?   \tq\t[no test files]\n"}
{"Action":"skip","Package":"q"}`,
			want:   "ok  \tp\t0.01s\n?   \tq\t[no test files]\n",
			counts: tally{passed: 2, skipped: 1},
		},
		"a failed test is shown whole, one that passed beside it is not": {
			events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"fine\n"}
{"Action":"run","Package":"p","Test":"TestB"}
{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:9: wrong\n"}
{"Action":"output","Package":"p","Test":"TestB","Output":"--- FAIL: TestB (0.00s)\n"}
{"Action":"fail","Package":"p","Test":"TestB"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Output":"FAIL\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}`,
			want:   "    b_test.go:9: wrong\n--- FAIL: TestB (0.00s)\nFAIL\nFAIL\tp\t0.01s\n",
			counts: tally{passed: 1, failed: 1},
		},
		"a test cut short by the end of its process is shown": {
			events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"last words\n"}
{"Action":"output","Package":"p","Output":"FAIL\tp\t0.01s\n"}
{"Action":"fail","Package":"p"}`,
			want: "last words\nFAIL\tp\t0.01s\n",
		},
		"a secret is found wherever it is printed, in pieces, too": {
			events: `
{"Action":"run","Package":"p","Test":"TestA"}
{"Action":"output","Package":"p","Test":"TestA","Output":"token hu"}
{"Action":"output","Package":"p","Test":"TestB","Output":"sh-"}
{"Action":"output","Package":"p","Test":"TestA","Output":"sh-abc\n"}
{"Action":"output","Package":"p","Test":"TestA","Output":"token hush-abc\n"}
{"Action":"pass","Package":"p","Test":"TestA"}
{"Action":"output","Package":"q","Output":"hush-abc\n"}
{"Action":"pass","Package":"p"}`,
			want:   "",
			counts: tally{passed: 1, leaks: []string{"p TestA", "q"}},
		},
		"what the compiler says is shown": {
			events: `
{"ImportPath":"p","Action":"build-output","Output":"# p\n"}
{"ImportPath":"p","Action":"build-output","Output":"p.go:1:1: no\n"}
{"ImportPath":"p","Action":"build-fail"}
{"Action":"output","Package":"p","Output":"FAIL\tp [build failed]\n"}
{"Action":"fail","Package":"p","FailedBuild":"p"}`,
			want: "# p\np.go:1:1: no\nFAIL\tp [build failed]\n",
		},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			counts, err := report(strings.NewReader(tt.events), &out)
			if err != nil {
				t.Fatal(err)
			}
			if out.String() != tt.want {
				t.Errorf("printed:\n%s\nwant:\n%s", out.String(), tt.want)
			}
			if !reflect.DeepEqual(counts, tt.counts) {
				t.Errorf("counted %+v, want %+v", counts, tt.counts)
			}
		})
	}
}

func TestReportRefusesWhatIsNotJSON(t *testing.T) {
	if _, err := report(strings.NewReader("oops"), &strings.Builder{}); err == nil {
		t.Fatal("no error")
	}
}
