package apigen

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
)

// home is the server that the examples speak to.
const home = "http://localhost:3000"

// maxShown is how much is shown of a line of an example; events have long ones.
const maxShown = 150

// operation writes one call.
func (p *page) operation(op *operation) error {
	p.printf("\n### %s %s\n\n**%s** %s\n", op.method, op.path, sentence(op.Summary), op.Description)
	if op.Parameters != nil {
		p.printf("\n| parameter | | type | when left out | what |\n| --- | --- | --- | --- | --- |\n")
		for _, one := range op.Parameters {
			unset := ""
			switch {
			case one.Required:
				unset = "**required**"
			case one.Schema.Default != nil:
				unset = fmt.Sprintf("`%v`", one.Schema.Default)
			}
			p.printf("| `%s` | %s | %s | %s | %s |\n", one.Name, one.In, typeOf(one.Schema), unset, cell(one.Description))
		}
	}
	if body := op.body(); body != nil {
		optional := ""
		if !op.RequestBody.Required {
			optional = ", which may be left out"
		}
		p.printf("\nThe body is a [%s](#%s)%s.\n", body.Schema.name(), anchor(body.Schema.name()), optional)
	}
	for _, media := range op.media() {
		if err := p.answer(op, media); err != nil {
			return err
		}
	}
	common := slices.Concat(p.d.EveryCall, p.d.EveryGuardedCall, p.d.EveryChange)
	own := func(code string) bool { return !slices.Contains(common, code) }
	if op.fails(own) {
		p.printf("\nErrors beside [those of any call](#errors-that-any-call-may-answer):\n\n")
		p.failures([]*operation{op}, own)
	}
	return nil
}

// media lists the content types of an operation's answer, JSON first.
func (o *operation) media() []string {
	if o.Responses["200"] == nil {
		return nil
	}
	list := sorted(o.Responses["200"].Content)
	slices.SortStableFunc(list, func(a, b string) int {
		switch {
		case a == mediaJSON:
			return -1
		case b == mediaJSON:
			return 1
		}
		return 0
	})
	return list
}

// fails tells whether the operation has an error that is wanted.
func (o *operation) fails(wanted func(code string) bool) bool {
	for status, answer := range o.Responses {
		if status == "200" || answer.Content[mediaJSON] == nil {
			continue
		}
		for code := range answer.Content[mediaJSON].Examples {
			if wanted(code) {
				return true
			}
		}
	}
	return false
}

// answer writes how to ask for an answer in a content type, and what it looks like.
func (p *page) answer(op *operation, media string) error {
	content := op.answer(media)
	asked, err := op.curl(media)
	if err != nil {
		return err
	}
	p.printf("\n```sh\n%s\n```\n", asked)
	if media == mediaJSON {
		var shown bytes.Buffer
		if err := json.Indent(&shown, content.Example, "", "  "); err != nil {
			return fmt.Errorf("its example: %w", err)
		}
		p.printf("\n200 with a [%s](#%s):\n\n```json\n%s\n```\n", content.Schema.name(), anchor(content.Schema.name()), shown.String())
		return nil
	}
	var text string
	if err := json.Unmarshal(content.Example, &text); err != nil {
		return fmt.Errorf("its example in %s: %w", media, err)
	}
	if media == mediaEvents {
		p.printf("\n200 with Server-Sent Events:\n\n| event | data | what |\n| --- | --- | --- |\n")
		for _, e := range content.Schema.Events {
			name := "`" + e.Name + "`"
			if e.Name == "message" {
				name += " (no `event:` line)"
			}
			p.printf("| %s | %s | %s |\n", name, typeOf(e.Schema), cell(e.Description))
		}
	} else {
		p.printf("\n200 in `%s`:\n", media)
	}
	p.printf("\n```text\n%s\n```\n", shorten(text))
	return nil
}

// curl gives the command that asks for an answer in a content type.
func (o *operation) curl(media string) (string, error) {
	path := o.path
	var query []string
	ask := func(p *parameter, value any) { query = append(query, p.Name+"="+url.QueryEscape(fmt.Sprint(value))) }
	for _, p := range o.Parameters {
		switch {
		case p.In == "path":
			path = strings.ReplaceAll(path, "{"+p.Name+"}", fmt.Sprint(p.Example))
		case p.In == "query" && p.Required:
			ask(p, p.Example)
		case p.In == "query" && len(p.Schema.Enum) == 1:
			ask(p, p.Schema.Enum[0]) // the example is of the fuller answer
		case p.In == "query" && media == mediaEvents && slices.Equal(p.Schema.Type, []string{"boolean"}):
			ask(p, true) // what makes a stream of an answer
		case p.In == "query" && p.Name == "format" && media == "text/csv":
			ask(p, "csv")
		}
	}
	address := home + path
	if len(query) > 0 {
		address = "'" + address + "?" + strings.Join(query, "&") + "'"
	}
	command := "curl "
	if media == mediaEvents {
		command += "-N "
	}
	if o.method != "GET" {
		command += "-X " + o.method + " "
	}
	command += address
	if body := o.body(); body != nil && o.RequestBody.Required {
		var line bytes.Buffer
		if err := json.Compact(&line, body.Example); err != nil {
			return "", fmt.Errorf("the example of its body: %w", err)
		}
		command += " \\\n  -d '" + line.String() + "'"
	}
	return command, nil
}

// shorten cuts the lines of an example that are too long to be read.
func shorten(text string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " ")
		if runes := []rune(line); len(runes) > maxShown {
			lines[i] = string(runes[:maxShown]) + "…"
		}
	}
	return strings.Join(lines, "\n")
}
