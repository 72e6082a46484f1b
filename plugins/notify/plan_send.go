package notify

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"

	"github.com/hbohlen/coppice/sdk"
)

const messageType = "notify.message"

// message is what is shown of a message.
type message struct {
	Title   string            `json:"title,omitempty"`
	Message string            `json:"message"`
	Fields  map[string]string `json:"fields,omitempty"`
}

func planSend(in SendInput) (sdk.Planned[SendOutput, sdk.None], error) {
	p := sdk.Planned[SendOutput, sdk.None]{Unknown: deliveryUnknown}
	t, err := locate(in.URL)
	if err != nil {
		var problem []sdk.Diagnostic
		problem, err = unusable(in.Required, sdk.InvalidInput("/url", "%v", err))
		return sdk.Planned[SendOutput, sdk.None]{Diagnostics: problem, Outputs: SendOutput{DeliveryOutput: told(problem)}}, err
	}
	p.Outputs.Text = text(in, true)
	fields := maps.Clone(in.Fields)
	maps.DeleteFunc(fields, func(_, v string) bool { return v == "" })
	after, err := json.Marshal(message{in.Title, in.Message, fields})
	if err != nil {
		return p, err
	}
	p.Changes = []sdk.Change{{Kind: sdk.Run, Resource: sdk.Resource{Type: messageType, Name: t.String()}, Summary: "send " + subject(in), After: after}}
	return p, nil
}

// subject is how a message is called: its title, or its first line.
func subject(in SendInput) string {
	s, _, _ := strings.Cut(in.Message, "\n")
	if in.Title != "" {
		s = in.Title
	}
	return "“" + cut(s, 80) + "”"
}

// cut leaves at most so many characters.
func cut(s string, most int) string {
	if runes := []rune(s); len(runes) > most {
		return string(runes[:most-1]) + "…"
	}
	return s
}

// mostMessage is how many bytes of a message are sent; services refuse what is too long, or cut it themselves.
const mostMessage = 16 << 10

// text is the message with its fields, and with the title where the service has no place for one.
func text(in SendInput, title bool) string {
	var b strings.Builder
	if !title && in.Title != "" {
		b.WriteString(in.Title + "\n\n")
	}
	b.WriteString(in.Message)
	first := true
	for _, name := range slices.Sorted(maps.Keys(in.Fields)) {
		if in.Fields[name] == "" {
			continue
		}
		if first {
			b.WriteString("\n")
			first = false
		}
		b.WriteString("\n" + name + ": " + in.Fields[name])
	}
	return cutBytes(b.String(), mostMessage)
}

// cutBytes leaves at most so many bytes, and no half of a character.
func cutBytes(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}
