package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The versions of the form in which a webhook waits on local disk: the first, and those
// that say more of what makes it the same as another.
const (
	webhookRecord   = 1
	recordTimeless  = 1 // is added
	recordOfSession = 2 // likewise
)

// errWebhookRecord is what ReadWebhookEvent says of anything else.
var errWebhookRecord = errors.New("not a webhook's record")

// AppendWebhookEvent appends what AddWebhookEvents needs of an event, the payload
// byte for byte.
func AppendWebhookEvent(buf []byte, e *WebhookEvent) []byte {
	version := byte(webhookRecord)
	if e.Timeless {
		version += recordTimeless
	}
	if e.OfSession {
		version += recordOfSession
	}
	buf = append(buf, version)
	processed := int64(0)
	if e.ProcessedAt != nil {
		processed = e.ProcessedAt.UnixMicro()
	}
	buf = binary.AppendVarint(buf, e.ReceivedAt.UnixMicro())
	buf = binary.AppendVarint(buf, processed)
	for _, text := range []string{e.Source, e.SessionID, e.EventType} {
		buf = binary.AppendUvarint(buf, uint64(len(text)))
		buf = append(buf, text...)
	}
	return append(buf, e.Payload...)
}

// ReadWebhookEvent reads what AppendWebhookEvent wrote. Nothing of data is kept.
func ReadWebhookEvent(data []byte) (*WebhookEvent, error) {
	if len(data) == 0 {
		return nil, errWebhookRecord
	}
	if data[0] < webhookRecord || data[0] > webhookRecord+recordTimeless+recordOfSession {
		return nil, fmt.Errorf("%w: version %d", errWebhookRecord, data[0])
	}
	says := data[0] - webhookRecord
	data = data[1:]
	var times [2]int64
	for i := range times {
		var n int
		if times[i], n = binary.Varint(data); n <= 0 {
			return nil, errWebhookRecord
		}
		data = data[n:]
	}
	var texts [3]string
	for i := range texts {
		length, n := binary.Uvarint(data)
		if n <= 0 || length > uint64(len(data)-n) {
			return nil, errWebhookRecord
		}
		texts[i] = string(data[n : n+int(length)])
		data = data[n+int(length):]
	}
	e := &WebhookEvent{
		Source: texts[0], SessionID: texts[1], EventType: texts[2],
		ReceivedAt: time.UnixMicro(times[0]).UTC(), Payload: append([]byte(nil), data...),
		Timeless: says&recordTimeless != 0, OfSession: says&recordOfSession != 0,
	}
	if times[1] != 0 {
		at := time.UnixMicro(times[1]).UTC()
		e.ProcessedAt = &at
	}
	return e, nil
}
