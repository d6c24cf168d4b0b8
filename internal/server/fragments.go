package server

import (
	"strconv"
	"sync"
	"time"

	"velador/api"
	"velador/internal/collector"
)

// fragments keeps what was written about each collector of a list, so that only what has changed since
// the list was asked for last is written again. Its size is that of the last list, in each language
// that was asked for. It is safe for concurrent use.
type fragments struct {
	mu   sync.Mutex
	kept [2]map[int64]*fragment // by language and id
	pass uint64                 // counts the lists
}

// fragment is one collector as it was written: around the value of uptime.
type fragment struct {
	of         collector.Live
	head, tail []byte
	pass       uint64 // the last list that had it
}

// appendList appends the body of an answer with the member collectors.
func (f *fragments) appendList(b []byte, list []collector.Live, lang language) []byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass++
	kept := &f.kept[0]
	if lang == english {
		kept = &f.kept[1]
	}
	if *kept == nil {
		*kept = make(map[int64]*fragment, len(list))
	}
	b = append(b, `{"collectors":[`...)
	for i := range list {
		live := &list[i]
		one := (*kept)[live.ID]
		if one == nil {
			one = new(fragment)
			(*kept)[live.ID] = one
		}
		one.update(live, lang)
		one.pass = f.pass
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, one.head...)
		b = strconv.AppendInt(b, int64(uptimeOf(live)/time.Second), 10)
		b = append(b, one.tail...)
	}
	if len(*kept) > len(list) {
		for id, one := range *kept {
			if one.pass != f.pass {
				delete(*kept, id)
			}
		}
	}
	return append(b, "]}\n"...)
}

// update writes anew what has changed. Beats come all the time, records change seldom.
func (f *fragment) update(live *collector.Live, lang language) {
	known := f.head != nil
	sameRecord := known && f.of.Record == live.Record
	if sameRecord && f.of.Vitals == live.Vitals {
		return
	}
	var status api.CollectorStatus
	describe(&status, live, lang)
	if !sameRecord {
		f.head = appendHead(f.head[:0], &status)
		f.of.Record = live.Record
	}
	f.tail = appendTail(f.tail[:0], &status)
	f.of.Vitals = live.Vitals
}

// bodies lends the bytes of an answer while it is on its way.
type bodies struct{ pool sync.Pool }

func (p *bodies) get() *[]byte {
	if b, ok := p.pool.Get().(*[]byte); ok {
		return b
	}
	return new([]byte)
}

func (p *bodies) put(b *[]byte) {
	*b = (*b)[:0]
	p.pool.Put(b)
}
