package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"
)

// The versions of the form in which a webhook waits on local disk; a timeless one has
// its own.
const (
	webhookRecord         = 1
	timelessWebhookRecord = 2
)

// errWebhookRecord is what ReadWebhookEvent says of anything else.
var errWebhookRecord = errors.New("not a webhook's record")

// AppendWebhookEvent appends what AddWebhookEvents needs of an event, the payload
// byte for byte.
func AppendWebhookEvent(buf []byte, e *WebhookEvent) []byte {
	version := byte(webhookRecord)
	if e.Timeless {
		version = timelessWebhookRecord
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
	version := data[0]
	if version != webhookRecord && version != timelessWebhookRecord {
		return nil, fmt.Errorf("%w: version %d", errWebhookRecord, version)
	}
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
		Timeless: version == timelessWebhookRecord,
	}
	if times[1] != 0 {
		at := time.UnixMicro(times[1]).UTC()
		e.ProcessedAt = &at
	}
	return e, nil
}
