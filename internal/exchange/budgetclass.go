package exchange

import "context"

// Class says what a request to a venue is for; of those that wait for a shared budget the classes
// go in this order. No class is starved by those before it: see least.
type Class uint8

const (
	// ClassLive is for what a live series waits for: a candle that is overdue, the venue's clock, a
	// stream that broke. A person who waits for an answer counts too.
	ClassLive Class = iota
	// ClassRepair brings a series up to the live edge, or looks a market up. Requests that name no
	// class are of this one.
	ClassRepair
	// ClassHistory fills gaps of the past.
	ClassHistory
	// ClassAudit reads again what is stored.
	ClassAudit

	classes = 4
)

// classRules are, by class, what a shared budget lets it have.
var classRules = [classes]struct {
	name string
	// ceiling is how full, in per cent of the venue's limit, a window may become by a request of
	// this class. What lower classes must leave is there for a live series that needs it now, and
	// does not have to wait for the next minute.
	ceiling int
	// least is what a class that waits has of what others are granted meanwhile, in per cent.
	least int
	// connects is the ceiling of connection attempts, in per cent.
	connects int
}{
	ClassLive:    {"live", sharePercent, 0, sharePercent},
	ClassRepair:  {"repair", 75, 20, 67},
	ClassHistory: {"history", 65, 10, 67},
	ClassAudit:   {"audit", 60, 5, 67},
}

// String gives the class's name.
func (c Class) String() string {
	if c >= classes {
		return "unknown"
	}
	return classRules[c].name
}

// parseClass reads a name as String gives it.
func parseClass(name string) (Class, bool) {
	for class, rule := range classRules {
		if rule.name == name {
			return Class(class), true
		}
	}
	return 0, false
}

type classKey struct{}

// WithClass says what the requests that are made under ctx are for.
func WithClass(ctx context.Context, class Class) context.Context {
	return context.WithValue(ctx, classKey{}, class)
}

// classOf tells what WithClass has said, or otherwise.
func classOf(ctx context.Context, otherwise Class) Class {
	if class, ok := ctx.Value(classKey{}).(Class); ok && class < classes {
		return class
	}
	return otherwise
}
