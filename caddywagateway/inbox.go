package caddywagateway

import (
	"github.com/genfity/wa-gateway/inbox"
	"github.com/genfity/wa-gateway/waserver"
)

// newInbox makes what turns the webhooks of the app's servers into rows. Those of
// dialect generic are counted when they come, and left as they are.
func (a *App) newInbox() *inbox.Inbox {
	translators := make(map[string]waserver.Translator)
	var sources []string
	for _, s := range a.WAServers {
		if s.translator != nil {
			translators[s.Name] = s.translator
			sources = append(sources, s.Name)
		}
	}
	return inbox.New(inbox.Options{
		Source: a.databases.primary, Sources: sources,
		Translators: func(source string) waserver.Translator { return translators[source] },
		Logger:      a.logger.Named("inbox"),
	})
}
