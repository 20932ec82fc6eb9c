package recorder

import (
	"fmt"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/stats"
)

// What Options need for events of statistics.

// EncodeEvent is Options.Encode for events.
func EncodeEvent(buf []byte, source Source, e stats.Event) []byte {
	return stats.AppendEvent(append(buf, byte(source)), e)
}

// DecodeEvent is Options.Decode for events.
func DecodeEvent(record []byte) (Source, stats.Event, error) {
	if len(record) == 0 {
		return 0, stats.Event{}, fmt.Errorf("%w: nothing at all", stats.ErrBinary)
	}
	source := Source(record[0])
	if source != SourceEvent && source != SourceOutcome {
		return 0, stats.Event{}, fmt.Errorf("%w: of an unknown source %q", stats.ErrBinary, record[0])
	}
	e, err := stats.ReadEvent(record[1:])
	return source, e, err
}

// RefusedEvent is Options.Refused for events.
func RefusedEvent(r stats.Recorded) error { return r.Err }

// PoisonEvent is Options.Poison for events.
func PoisonEvent(reason error) stats.Recorded {
	return stats.Recorded{Err: fmt.Errorf("%w: %w", ErrPoison, reason)}
}

// DescribeEvent is Options.Describe for events.
func DescribeEvent(e stats.Event) zap.Field {
	return zap.Dict("message",
		zap.String("user_id", e.UserID), zap.String("session_id", e.SessionID), zap.String("message_id", e.MessageID))
}
