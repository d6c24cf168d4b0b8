package klineapi

import (
	"slices"
	"strconv"
	"strings"

	"velador/internal/candle"
)

// permissions are those that a call may ask for; every market here is a spot market and has SPOT only.
var permissions = [...]string{"SPOT", "MARGIN", "LEVERAGED"}

// exchangeInfo answers /api/v3/exchangeInfo (SIM-R10, EXCHANGES.md 2.6).
func (a *API) exchangeInfo(c *call) ([]byte, *refusal) {
	p := c.params
	_, one := p.values["symbol"]
	_, many := p.values["symbols"]
	_, byPermission := p.values["permissions"]
	_, byStatus := p.values["symbolStatus"]
	if one && many || (one || many) && (byPermission || byStatus) {
		return nil, refuse(codeBadCombination, "Combination of optional parameters invalid.")
	}
	markets, _, r := a.chosen(c)
	if r != nil {
		return nil, r
	}
	wanted, r := p.permissions()
	if r != nil {
		return nil, r
	}
	if byPermission && !slices.Contains(wanted, "SPOT") {
		markets = nil
	}
	sets, shown, r := p.get("showPermissionSets")
	if r != nil {
		return nil, r
	}
	if shown && sets != "true" && sets != "false" {
		return nil, refuse(codeInvalidValue, "Data sent for parameter 'showPermissionSets' is not valid.")
	}
	if r = p.unread(); r != nil {
		return nil, r
	}
	dst := make([]byte, 0, 512+1200*len(markets))
	dst = appendTime(append(dst, `{"timezone":"UTC","serverTime":`...), c.now, c.micros)
	dst = append(dst, `,"rateLimits":[{"rateLimitType":"REQUEST_WEIGHT","interval":"MINUTE","intervalNum":1,"limit":`...)
	dst = strconv.AppendInt(dst, int64(a.profile.WeightLimit), 10)
	dst = append(dst, `},{"rateLimitType":"RAW_REQUESTS","interval":"MINUTE","intervalNum":5,"limit":`...)
	dst = strconv.AppendInt(dst, int64(a.profile.RawLimit), 10)
	dst = append(dst, `}],"exchangeFilters":[],"symbols":[`...)
	for i, m := range markets {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendMarket(dst, m, sets != "false")
	}
	return append(dst, `]}`...), nil
}

// permissions reads one permission or a compact JSON array of them.
func (p *params) permissions() ([]string, *refusal) {
	value, sent, r := p.get("permissions")
	if r != nil || !sent {
		return nil, r
	}
	wanted := []string{value}
	if inner, array := strings.CutPrefix(value, "["); array {
		wanted = strings.Split(strings.TrimSuffix(inner, "]"), ",")
		for i, quoted := range wanted {
			wanted[i] = strings.Trim(quoted, `"`)
		}
	}
	for _, permission := range wanted {
		if !slices.Contains(permissions[:], permission) && !strings.HasPrefix(permission, "TRD_GRP_") {
			return nil, refuse(codeInvalidValue, "Data sent for parameter 'permissions' is not valid.")
		}
	}
	return wanted, nil
}

// appendMarket appends a symbol with all that common clients look for; the order types and
// switches are those of an ordinary spot market.
func appendMarket(dst []byte, m Market, withSets bool) []byte {
	tick, step := eightPlaces(m.TickSize), eightPlaces(m.StepSize)
	dst = appendQuoted(append(dst, `{"symbol":`...), m.Symbol)
	dst = appendQuoted(append(dst, `,"status":`...), m.Status)
	dst = appendQuoted(append(dst, `,"baseAsset":`...), m.Base)
	dst = appendQuoted(append(dst, `,"baseAssetPrecision":8,"quoteAsset":`...), m.Quote)
	dst = append(dst, `,"quotePrecision":8,"quoteAssetPrecision":8,"baseCommissionPrecision":8,"quoteCommissionPrecision":8,`+
		`"orderTypes":["LIMIT","LIMIT_MAKER","MARKET","STOP_LOSS","STOP_LOSS_LIMIT","TAKE_PROFIT","TAKE_PROFIT_LIMIT"],`+
		`"icebergAllowed":true,"ocoAllowed":true,"otoAllowed":true,"opoAllowed":false,"quoteOrderQtyMarketAllowed":true,"allowTrailingStop":true,`+
		`"cancelReplaceAllowed":true,"amendAllowed":true,"pegInstructionsAllowed":true,"isSpotTradingAllowed":true,"isMarginTradingAllowed":false,`+
		`"filters":[{"filterType":"PRICE_FILTER","minPrice":`...)
	dst = appendQuoted(dst, tick)
	dst = appendQuoted(append(dst, `,"maxPrice":"1000000.00000000","tickSize":`...), tick)
	dst = appendQuoted(append(dst, `},{"filterType":"LOT_SIZE","minQty":`...), step)
	dst = appendQuoted(append(dst, `,"maxQty":"92141578.00000000","stepSize":`...), step)
	dst = append(dst, `},{"filterType":"ICEBERG_PARTS","limit":100},`+
		`{"filterType":"MARKET_LOT_SIZE","minQty":"0.00000000","maxQty":"92141578.00000000","stepSize":"0.00000000"},`+
		`{"filterType":"NOTIONAL","minNotional":"5.00000000","applyMinToMarket":true,"maxNotional":"9000000.00000000","applyMaxToMarket":false,"avgPriceMins":5},`+
		`{"filterType":"MAX_NUM_ORDERS","maxNumOrders":200}],"permissions":[],`...)
	if withSets {
		dst = append(dst, `"permissionSets":[["SPOT"]],`...)
	}
	return append(dst, `"defaultSelfTradePreventionMode":"EXPIRE_MAKER","allowedSelfTradePreventionModes":["NONE","EXPIRE_TAKER","EXPIRE_MAKER","EXPIRE_BOTH"]}`...)
}

// eightPlaces writes a step with the exchange's 8 places; an unknown one is the finest.
func eightPlaces(d candle.Decimal) string {
	if d.IsAbsent() {
		return "0.00000001"
	}
	return rat(d).FloatString(8)
}
