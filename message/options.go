package message

// Bounds of what a message may hold. Texts are in bytes.
const (
	maxText     = 64 << 10
	maxLabel    = 1 << 10 // names, titles, ids and the like
	maxFilename = 255
	maxMentions = 1024

	minPollOptions = 2
	maxPollOptions = 12
	maxSections    = 10
	maxRows        = 100 // of all sections
	maxButtons     = 4

	// maxKept is all that is kept in memory of a body besides media.
	maxKept = 1 << 20
)

// Options say how bodies are read. The zero value bounds nothing but what this package
// bounds by itself, and knows no region.
type Options struct {
	// MaxBytes is how long a body may be. Zero means no limit.
	MaxBytes int64
	// MaxDepth is how deep JSON may be nested. Zero means 64.
	MaxDepth int
	// Region is the country (ISO 3166, "ID") whose numbers are understood without a
	// country code; empty for none.
	Region string
	// Dir is where media is kept; empty for the system's folder for such files.
	Dir string
}
