package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"
)

// totals are the statistics of everybody.
type totals struct {
	Sent      int64 `json:"total_messages_sent"`
	Failed    int64 `json:"total_messages_failed"`
	Delivered int64 `json:"total_messages_delivered"`
	Read      int64 `json:"total_messages_read"`
}

func (t totals) add(o totals) totals {
	return totals{t.Sent + o.Sent, t.Failed + o.Failed, t.Delivered + o.Delivered, t.Read + o.Read}
}

func (t totals) sub(o totals) totals {
	return totals{t.Sent - o.Sent, t.Failed - o.Failed, t.Delivered - o.Delivered, t.Read - o.Read}
}

// totals asks the gateway for them.
func (c *caddyServer) totals(ctx context.Context) (totals, error) {
	var answer struct {
		Data totals `json:"data"`
	}
	body, err := get(ctx, "http://"+c.gateway+"/events/admin/stats?limit=1", adminToken)
	if err == nil {
		err = json.Unmarshal(body, &answer)
	}
	return answer.Data, err
}

// await waits until the statistics are as wanted, and tells when they were seen.
func (c *caddyServer) await(ctx context.Context, patience time.Duration, wanted func(totals) bool) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	for {
		got, err := c.totals(ctx)
		if err != nil {
			return time.Time{}, fmt.Errorf("reading the statistics: %w", err)
		}
		if wanted(got) {
			return time.Now(), nil
		}
		select {
		case <-ctx.Done():
			return time.Time{}, fmt.Errorf("the statistics stay at %+v: %w", got, ctx.Err())
		case <-time.After(20 * time.Millisecond):
		}
	}
}
