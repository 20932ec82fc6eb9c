package store

import (
	"slices"

	"gorm.io/gorm"

	"github.com/genfity/wa-gateway/waserver"
)

// withChats fills in the chats of messages that were edited or deleted, where a server
// tells no more of them than their ids: from what is told with them, else from the rows.
// One that nobody has told of stays as it is, and is left out.
func (p *Primary) withChats(q *gorm.DB, sessionID string, updates []waserver.Update) ([]waserver.Update, error) {
	chats := make(map[string]string) // by message id
	for i := range updates {
		if id := chatless(&updates[i]); key(id) {
			chats[id] = ""
		}
	}
	if len(chats) == 0 {
		return updates, nil
	}
	ids := make([]string, 0, len(chats))
	for id := range chats {
		ids = append(ids, id)
	}
	var known []ChatMessage
	err := q.Select("chat_jid", "message_id").Where("session_id = ? AND message_id IN ?", sessionID, ids).
		Order("chat_jid").Find(&known).Error
	if err != nil {
		return nil, err
	}
	for i := range known {
		chats[known[i].MessageID] = known[i].ChatJID
	}
	for i := range updates {
		if m := updates[i].Message; m != nil && m.ChatJID != "" {
			if chat, asked := chats[m.ID]; asked && chat == "" {
				chats[m.ID] = m.ChatJID
			}
		}
	}
	updates = slices.Clone(updates)
	for i := range updates {
		u := &updates[i]
		chat := chats[chatless(u)]
		switch {
		case chat == "":
		case u.Edited != nil:
			edited := *u.Edited
			edited.ChatJID, u.Edited = chat, &edited
		default:
			u.Revoked = &waserver.MessageRef{ID: u.Revoked.ID, ChatJID: chat}
		}
	}
	return updates, nil
}

// chatless is the id of a message that was edited or deleted in a chat that is not told.
func chatless(u *waserver.Update) string {
	switch {
	case u.Edited != nil && u.Edited.ChatJID == "":
		return u.Edited.ID
	case u.Revoked != nil && u.Revoked.ChatJID == "":
		return u.Revoked.ID
	}
	return ""
}
