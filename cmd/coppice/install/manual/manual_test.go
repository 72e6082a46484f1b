package manual

import (
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func program() *cobra.Command {
	root := &cobra.Command{Use: "tool", Short: "Do things", Long: "Do things.\n\nTwo of them:\n  one - \\n\n    more\n  .two\nThen it's \"over\".", RunE: nothing}
	root.PersistentFlags().Bool("json", false, "print JSON")
	group := &cobra.Command{Use: "group", Short: "Of verbs"}
	verb := &cobra.Command{Use: "verb NAME", Short: "Do one", RunE: nothing, Example: "  tool group verb x\n  # and so on"}
	verb.Flags().StringP("name", "n", "me", "call it `that`")
	other := &cobra.Command{Use: "other", Short: "Do another", RunE: nothing}
	hidden := &cobra.Command{Use: "secret", Short: "Not for people", Hidden: true, RunE: nothing}
	group.AddCommand(verb, other)
	root.AddCommand(group, hidden)
	return root
}

func nothing(*cobra.Command, []string) error { return nil }

func TestPages(t *testing.T) {
	pages := Book{Version: "1.2~3", Date: time.Unix(0, 0), More: [][2]string{{"files", ".hidden is first"}}}.Pages(program())
	var names []string
	for _, p := range pages {
		names = append(names, p.Name)
	}
	if got := strings.Join(names, " "); got != "tool tool-group tool-group-other tool-group-verb" {
		t.Fatal(got)
	}
	const first = `.TH TOOL 1 1970-01-01 "coppice 1.2\(ti3" Coppice
.SH "NAME"
tool \- Do things
.SH "SYNOPSIS"
\fBtool\fR COMMAND
.SH "DESCRIPTION"
Do things.
.PP
Two of them:
.RS "4"
.nf
one \- \en
  more
\&.two
.fi
.RE
Then it\(aqs "over".
.SH "COMMANDS"
.TP
\fBtool\-group\fR(1)
Of verbs
.SH "OPTIONS"
.TP
\fB\-\-json\fR
print JSON
.SH "FILES"
\&.hidden is first
`
	if pages[0].Text != first {
		t.Errorf("got\n%s", pages[0].Text)
	}
	const last = `.TH TOOL\-GROUP\-VERB 1 1970-01-01 "coppice 1.2\(ti3" Coppice
.SH "NAME"
tool\-group\-verb \- Do one
.SH "SYNOPSIS"
\fBtool group verb\fR NAME [flags]
.SH "DESCRIPTION"
Do one.
.SH "OPTIONS"
.TP
\fB\-n\fR, \fB\-\-name\fR \fIthat\fR
call it that (default me)
.SH "OPTIONS OF ALL COMMANDS"
.TP
\fB\-\-json\fR
print JSON
.SH "EXAMPLES"
.RS "4"
.nf
tool group verb x
# and so on
.fi
.RE
.SH "SEE ALSO"
\fBtool\-group\fR(1),
\fBtool\-group\-other\fR(1)
`
	if pages[3].Text != last {
		t.Errorf("got\n%s", pages[3].Text)
	}
}
