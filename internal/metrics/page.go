package metrics

import (
	"cmp"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"slices"
	"strings"
)

// prefix begins the name of every figure that a Part gives, so that none can be taken for another
// program's.
const prefix = "velador_"

// maxMistakes bounds how many mistakes of one page are told in words.
const maxMistakes = 8

// kind is the TYPE of a family.
type kind string

const (
	counter   kind = "counter"
	gauge     kind = "gauge"
	histogram kind = "histogram"
)

// A Page is one answer to a scrape. Parts write their figures on it: a family for each name, and in
// it a sample for each combination of labels. Families may be written in any order and by several
// parts, in turns; the answer has each of them once, by name.
//
//	rows := page.Counter("writer_rows_total", "Rows that the writer has stored.", "table")
//	rows.Sample(float64(candles), "candles")
//	rows.Sample(float64(gaps), "gaps")
//
// A page is never made invalid. What would make it so (a name that is none, a family declared in two
// ways, a sample given twice, labels that do not match) is left out, and the handler logs why. A page
// and its families belong to one goroutine and to one scrape: neither is kept.
type Page struct {
	families []*Family
	byName   map[string]*Family
	seen     map[uint64]struct{} // digests of the samples' names and labels
	seed     maphash.Seed
	spare    [][]byte // what the families of earlier scrapes were written to, in the order they were declared
	scratch  []byte
	mistakes []error
	untold   int // mistakes beyond maxMistakes
}

func newPage() *Page {
	return &Page{byName: map[string]*Family{}, seen: map[uint64]struct{}{}, seed: maphash.MakeSeed()}
}

// A Family is all samples of one name.
type Family struct {
	page   *Page // nil: nothing is written, since the family was wrong or its page is over
	name   string
	help   string
	kind   kind
	labels []string
	bounds []float64 // of a histogram's buckets
	lines  []byte
}

// Counter declares a figure that only grows while the process lives. The name is velador_ and what is
// given here, which ends in _total; help says in a sentence what is counted.
func (p *Page) Counter(name, help string, labels ...string) *Family {
	return p.declare(Family{name: prefix + name, help: help, kind: counter, labels: labels})
}

// Gauge declares a figure that may rise and fall. The name is velador_ and what is given here, with
// its unit at the end (_seconds, _bytes).
func (p *Page) Gauge(name, help string, labels ...string) *Family {
	return p.declare(Family{name: prefix + name, help: help, kind: gauge, labels: labels})
}

// Histogram declares a distribution over buckets. Bounds are their upper ends, which belong to them;
// they rise, and the last bucket, without an end, is not among them. They are not copied.
func (p *Page) Histogram(name, help string, bounds []float64, labels ...string) *Distribution {
	return &Distribution{p.declare(Family{name: prefix + name, help: help, kind: histogram, labels: labels, bounds: bounds})}
}

// declare gives the family of that name.
func (p *Page) declare(f Family) *Family {
	if old, ok := p.byName[f.name]; ok {
		if old.kind == f.kind && old.help == f.help && slices.Equal(old.labels, f.labels) && slices.Equal(old.bounds, f.bounds) {
			return old
		}
		p.mistake("%s is declared in two ways", f.name)
		return &Family{}
	}
	if why := f.wrong(); why != "" {
		p.mistake("%q: %s", f.name, why)
		return &Family{}
	}
	f.page, f.labels = p, slices.Clone(f.labels)
	if n := len(p.families); n < len(p.spare) {
		f.lines = p.spare[n][:0]
	}
	p.families = append(p.families, &f)
	p.byName[f.name] = &f
	return &f
}

// wrong says why Prometheus would refuse the family, or its users could not read it.
func (f *Family) wrong() string {
	switch {
	case !isName(f.name):
		return "a name has letters, digits and underscores"
	case f.help == "":
		return "the help is missing"
	case (f.kind == counter) != strings.HasSuffix(f.name, "_total"):
		return "counters, and only they, end in _total"
	}
	for _, end := range []string{"_bucket", "_count", "_sum"} {
		if strings.HasSuffix(f.name, end) {
			return end + " ends the names of a histogram's parts"
		}
	}
	for i, label := range f.labels {
		switch {
		case !isName(label) || strings.HasPrefix(label, "__"):
			return fmt.Sprintf("%q is no name of a label", label)
		case label == "le" || label == "quantile":
			return label + " is a label of Prometheus' own"
		case slices.Contains(f.labels[:i], label):
			return fmt.Sprintf("the label %s is there twice", label)
		}
	}
	for i, bound := range f.bounds {
		if bound-bound != 0 || i > 0 && bound <= f.bounds[i-1] { // Inf-Inf is NaN
			return "bounds of buckets are finite and rise"
		}
	}
	return ""
}

// Sample gives the family's value for these values of its labels, in the order they were declared.
// Values that are too long to be labels are cut, see bounded.
func (f *Family) Sample(value float64, labels ...string) {
	if f.page == nil {
		return
	}
	begin := len(f.lines)
	f.lines = append(f.lines, f.name...)
	f.lines = appendLabels(f.lines, f.labels, labels)
	if !f.page.fresh(f, f.lines[begin:], labels) {
		f.lines = f.lines[:begin]
		return
	}
	f.lines = appendValue(f.lines, value)
}

// A Distribution is a family of histograms.
type Distribution struct{ family *Family }

// Sample gives the distribution for these values of the labels. Counts are those of each bucket by
// itself, one more than there are bounds: the last counts what lies above them all. Sum is that of
// all observed values.
func (d *Distribution) Sample(counts []uint64, sum float64, labels ...string) {
	f := d.family
	p := f.page
	if p == nil {
		return
	}
	if len(counts) != len(f.bounds)+1 {
		p.mistake("%s has %d buckets, not %d", f.name, len(f.bounds)+1, len(counts))
		return
	}
	p.scratch = appendLabels(append(p.scratch[:0], f.name...), f.labels, labels)
	if !p.fresh(f, p.scratch, labels) {
		return
	}
	of := string(p.scratch[len(f.name):])
	inner := strings.TrimSuffix(of, "}") + ","
	if of == "" {
		inner = "{"
	}
	var total uint64
	for i, count := range counts {
		total += count
		f.lines = append(append(append(append(f.lines, f.name...), "_bucket"...), inner...), `le="`...)
		if i < len(f.bounds) {
			f.lines = appendFloat(f.lines, f.bounds[i])
		} else {
			f.lines = append(f.lines, "+Inf"...)
		}
		f.lines = appendValue(append(f.lines, `"}`...), float64(total))
	}
	f.lines = appendValue(append(append(append(f.lines, f.name...), "_sum"...), of...), sum)
	f.lines = appendValue(append(append(append(f.lines, f.name...), "_count"...), of...), float64(total))
}

// fresh tells that a sample, named by its family and labels, is right and the first of that name.
func (p *Page) fresh(f *Family, sample []byte, labels []string) bool {
	if len(labels) != len(f.labels) {
		p.mistake("%s has the labels %q, and %d values were given", f.name, f.labels, len(labels))
		return false
	}
	digest := maphash.Bytes(p.seed, sample)
	if _, twice := p.seen[digest]; twice {
		p.mistake("%s is given twice", sample)
		return false
	}
	p.seen[digest] = struct{}{}
	return true
}

func (p *Page) mistake(format string, args ...any) {
	if len(p.mistakes) == maxMistakes {
		p.untold++
		return
	}
	p.mistakes = append(p.mistakes, fmt.Errorf(format, args...))
}

// wrong is what was left out; nil when nothing was.
func (p *Page) wrong() error {
	if p.untold > 0 {
		return errors.Join(append(slices.Clone(p.mistakes), fmt.Errorf("and %d more", p.untold))...)
	}
	return errors.Join(p.mistakes...)
}

// writeTo writes the families that have samples, by name.
func (p *Page) writeTo(w io.Writer) error {
	for _, f := range slices.SortedFunc(slices.Values(p.families), func(a, b *Family) int { return cmp.Compare(a.name, b.name) }) {
		if len(f.lines) == 0 {
			continue
		}
		p.scratch = appendHead(p.scratch[:0], f)
		if _, err := w.Write(p.scratch); err != nil {
			return err
		}
		if _, err := w.Write(f.lines); err != nil {
			return err
		}
	}
	return nil
}

// clear makes the page ready for another scrape. Its families are over.
func (p *Page) clear() {
	for i, f := range p.families {
		if i == len(p.spare) {
			p.spare = append(p.spare, nil)
		}
		p.spare[i] = f.lines[:0]
		f.page, f.lines = nil, nil
	}
	clear(p.families)
	p.families = p.families[:0]
	clear(p.byName)
	clear(p.seen)
	p.mistakes, p.untold = nil, 0
}
