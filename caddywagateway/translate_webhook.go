package caddywagateway

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/netip"
	"net/url"

	"go.uber.org/zap"

	"github.com/genfity/wa-gateway/store"
	"github.com/genfity/wa-gateway/waserver"
)

// maxCustomerURL bounds a customer's URL, in bytes.
const maxCustomerURL = 2048

// customerWebhookBody is what POST and PUT /api/wa/webhook take.
type customerWebhookBody struct {
	URL        *string `json:"url"`
	Webhook    *string `json:"webhook"`
	WebhookURL *string `json:"webhook_url"`
}

// customerWebhookAnswer is the data of the answers about a customer's webhook.
type customerWebhookAnswer struct {
	SessionID string `json:"session_id"`
	URL       string `json:"url"`
	// Secret is the key of the signatures (Standard Webhooks) of what is posted there.
	Secret string `json:"secret,omitempty"`
}

// customerWebhook shows and sets where a customer wants to be told. It is kept here,
// and not in the server: there the gateway's own URL stands, and a customer's could
// reach into the operator's network.
func (x *exchange) customerWebhook() error {
	ctx := x.r.Context()
	link, err := x.knownLink(ctx)
	if errors.Is(err, store.ErrNotFound) {
		link, err = x.adoptedLink(), nil
	}
	if err != nil {
		return err
	}
	x.outcome = outcomeForwarded
	if x.call.Endpoint == waserver.GetWebhook {
		return x.answerCanonical(http.StatusOK, answerWebhook(link))
	}
	target, err := x.askedWebhook()
	if err != nil {
		return err
	}
	link.Webhook = target
	if link.CustomerKey == "" {
		link.CustomerKey = newSecret()
	}
	sealed, err := x.app.sealLink(link)
	if err != nil {
		return refuse(http.StatusInternalServerError, "Internal error").because(err)
	}
	if err := x.app.databases.transactional.SaveLink(ctx, sealed); err != nil {
		return databaseFailure(err)
	}
	x.app.databases.directory.ForgetSession(link.SessionID)
	if target == "" {
		x.dropDeliveries(ctx)
	}
	return x.answerCanonical(http.StatusOK, answerWebhook(link))
}

// dropDeliveries forgets what the customer was still to be told of the session.
func (x *exchange) dropDeliveries(ctx context.Context) {
	if _, err := x.app.databases.primary.DropDeliveries(ctx, x.call.SessionID); err != nil {
		x.logger.Warn("what waits for a customer's webhook cannot be dropped", zap.String("session_id", x.call.SessionID), zap.Error(err))
	}
}

// askedWebhook reads the URL; an empty one takes the webhook away.
func (x *exchange) askedWebhook() (string, error) {
	if err := x.plainBody(); err != nil {
		return "", err
	}
	b, err := x.readBody(true)
	if err != nil {
		return "", err
	}
	var asked customerWebhookBody
	if json.Unmarshal(b.whole, &asked) != nil {
		return "", refuse(http.StatusBadRequest, "Send JSON with url")
	}
	for _, target := range []*string{asked.URL, asked.Webhook, asked.WebhookURL} {
		if target == nil {
			continue
		}
		if *target == "" {
			return "", nil
		}
		u, err := url.Parse(*target)
		if err != nil || (u.Scheme != "https" && u.Scheme != "http") || u.Hostname() == "" || u.User != nil || len(*target) > maxCustomerURL {
			return "", refuse(http.StatusBadRequest, "url must be absolute, begin with https:// or http://, and hold no credentials").
				with(map[string]string{"field": "url"})
		}
		if address, err := netip.ParseAddr(u.Hostname()); err == nil && !x.app.mayDeliverTo(address) {
			return "", refuse(http.StatusBadRequest, "url must lead to a public address").with(map[string]string{"field": "url"})
		}
		return *target, nil
	}
	return "", refuse(http.StatusBadRequest, "The body names no url").with(map[string]string{"field": "url"})
}

func answerWebhook(link *waserver.Link) customerWebhookAnswer {
	answer := customerWebhookAnswer{SessionID: link.SessionID, URL: link.Webhook}
	if link.Webhook != "" {
		answer.Secret = customerSecret(link)
	}
	return answer
}

// customerSecret is the key with which what is posted to the customer is signed, in the
// form of Standard Webhooks; the bytes of newSecret in the other alphabet of base64.
func customerSecret(link *waserver.Link) string {
	key, err := base64.RawURLEncoding.DecodeString(link.CustomerKey)
	if err != nil || len(key) == 0 {
		return ""
	}
	return "whsec_" + base64.StdEncoding.EncodeToString(key)
}
