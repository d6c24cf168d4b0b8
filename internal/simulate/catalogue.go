package simulate

// marketKind is what a generated market is like: made up, at levels that a trader would believe.
type marketKind struct {
	base, quote            string
	price                  float64 // about which it wanders
	tickPlaces, stepPlaces int     // places of prices and of amounts
	trades                 float64 // a minute, on average
	turnover               float64 // quote asset a minute
	volatility             float64 // a day, as a share of the price
	beta                   float64 // how far it follows the common market
}

// catalogue lists the generated markets, the great ones first. Those with few trades a minute have
// minutes without any, as two in five of a thin market are.
var catalogue = []marketKind{
	{"BTC", "USDT", 64000, 2, 5, 1100, 1_400_000, 0.024, 1.0},
	{"ETH", "USDT", 3100, 2, 4, 800, 800_000, 0.031, 1.2},
	{"SOL", "USDT", 148, 2, 3, 420, 260_000, 0.042, 1.4},
	{"BNB", "USDT", 570, 1, 3, 160, 90_000, 0.026, 0.9},
	{"XRP", "USDT", 0.58, 4, 0, 210, 120_000, 0.035, 1.0},
	{"DOGE", "USDT", 0.124, 5, 0, 190, 95_000, 0.045, 1.3},
	{"ADA", "USDT", 0.41, 4, 1, 75, 24_000, 0.036, 1.2},
	{"AVAX", "USDT", 27.4, 2, 2, 82, 27_000, 0.042, 1.4},
	{"LINK", "USDT", 13.6, 2, 2, 64, 21_000, 0.038, 1.2},
	{"DOT", "USDT", 6.2, 3, 2, 41, 11_000, 0.036, 1.2},
	{"TRX", "USDT", 0.128, 4, 1, 30, 10_000, 0.018, 0.5},
	{"LTC", "USDT", 71.5, 2, 3, 36, 11_000, 0.028, 0.9},
	{"NEAR", "USDT", 5.1, 3, 1, 46, 14_000, 0.048, 1.4},
	{"MATIC", "USDT", 0.56, 4, 1, 33, 9_000, 0.041, 1.3},
	{"UNI", "USDT", 7.9, 3, 2, 26, 7_000, 0.044, 1.2},
	{"APT", "USDT", 8.3, 2, 2, 30, 8_500, 0.049, 1.4},
	{"ARB", "USDT", 0.72, 4, 1, 34, 9_500, 0.047, 1.4},
	{"OP", "USDT", 1.75, 3, 2, 28, 7_800, 0.049, 1.5},
	{"SUI", "USDT", 1.1, 4, 1, 58, 19_000, 0.052, 1.4},
	{"INJ", "USDT", 22.3, 2, 2, 18, 4_400, 0.051, 1.4},
	{"ATOM", "USDT", 6.6, 3, 2, 17, 3_900, 0.037, 1.2},
	{"FIL", "USDT", 4.4, 3, 2, 14, 3_400, 0.042, 1.3},
	{"AAVE", "USDT", 96, 2, 3, 15, 4_100, 0.043, 1.2},
	{"ETC", "USDT", 21.6, 2, 2, 11, 2_800, 0.036, 1.2},
	{"XLM", "USDT", 0.098, 4, 0, 12, 2_600, 0.031, 0.9},
	{"PEPE", "USDT", 0.0000093, 8, 0, 150, 62_000, 0.062, 1.6},
	{"SHIB", "USDT", 0.0000172, 8, 0, 95, 31_000, 0.047, 1.3},
	{"BTC", "USDC", 64000, 2, 5, 85, 48_000, 0.024, 1.0},
	{"ETH", "BTC", 0.0484, 5, 4, 22, 0.55, 0.016, 0.2},
	{"EUR", "USDT", 1.08, 4, 1, 16, 2_900, 0.004, 0},
	{"ALGO", "USDT", 0.135, 4, 0, 5, 900, 0.038, 1.2},
	{"KAVA", "USDT", 0.37, 4, 1, 1.6, 260, 0.034, 1.0},
	{"IOTA", "USDT", 0.142, 4, 0, 1.1, 170, 0.037, 1.1},
	{"DUSK", "USDT", 0.21, 4, 0, 0.5, 70, 0.055, 1.2},
	// Made up: it is listed a few minutes into the run.
	{listedInRun, "USDT", 1.32, 4, 1, 90, 22_000, 0.09, 1.1},
}

// listedInRun is the asset whose market begins while the simulator runs.
const listedInRun = "VELA"

// inventKind makes up a market that the catalogue does not have, from its name alone.
func inventKind(symbol string) marketKind {
	h := mixString(symbol)
	base, quote := splitSymbol(symbol)
	if quote == "" {
		quote = "USDT"
	}
	magnitude := int(mix(h, 1) % 5) // 0.01 … 100
	k := marketKind{
		base: base, quote: quote, beta: 0.6 + unit(mix(h, 2)), volatility: 0.025 + 0.04*unit(mix(h, 3)),
		price:      (1 + 9*unit(mix(h, 4))) * [...]float64{0.01, 0.1, 1, 10, 100}[magnitude],
		tickPlaces: [...]int{6, 5, 4, 3, 2}[magnitude], stepPlaces: [...]int{0, 0, 1, 2, 3}[magnitude],
		trades: 1 + 60*unit(mix(h, 5))*unit(mix(h, 6)),
	}
	k.turnover = k.trades * (80 + 200*unit(mix(h, 7)))
	return k
}
