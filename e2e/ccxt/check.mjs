// Points ccxt, a client that nobody of velador wrote, at a simulator by its base URL alone, and
// holds what it makes of the answers against the answers themselves.
//
//   node check.mjs BASE_URL SYMBOL SINCE UNTIL
//
// SYMBOL is in ccxt's spelling (BTC/USDT); SINCE and UNTIL are epoch milliseconds between which
// the market stood still for a while. Prints one JSON line; exits 1 with a sentence when something differs.
import ccxt from 'ccxt';

const [base, symbol, sinceText, untilText] = process.argv.slice(2);
const since = Number(sinceText);
const until = Number(untilText);
if (!base || !symbol || !(since < until)) {
    console.error('usage: node check.mjs BASE_URL SYMBOL SINCE UNTIL');
    process.exit(2);
}

const exchange = new ccxt.binance({ enableRateLimit: false, options: { fetchMarkets: { types: ['spot'] }, fetchCurrencies: false } });
exchange.urls.api.public = base + '/api/v3';
exchange.urls.api.v1 = base + '/api/v1';

function require(condition, sentence) {
    if (!condition) {
        throw new Error(sentence);
    }
}

let compared = 0;

// raw asks the same question without ccxt.
async function raw(interval, params) {
    const query = new URLSearchParams({ symbol: market.id, interval, ...params });
    const answer = await fetch(`${base}/api/v3/klines?${query}`);
    require(answer.status === 200, `klines?${query} answered ${answer.status}`);
    return answer.json();
}

function same(candles, rows, what) {
    require(candles.length === rows.length, `${what}: ccxt has ${candles.length} candles, the answer ${rows.length}`);
    candles.forEach((candle, i) => {
        const row = rows[i].slice(0, 6).map(Number);
        require(JSON.stringify(candle) === JSON.stringify(row), `${what}, candle ${i}: ccxt has ${JSON.stringify(candle)}, the answer ${JSON.stringify(row)}`);
        require(i === 0 || candles[i - 1][0] < candle[0], `${what}, candle ${i}: not ascending`);
    });
    compared += candles.length;
}

const markets = await exchange.loadMarkets();
const market = exchange.market(symbol);
require(market.spot && market.active === true, `${symbol} is no active spot market: ${JSON.stringify(market.info)}`);
require(market.precision.price > 0 && market.precision.amount > 0, `${symbol} has no precision: ${JSON.stringify(market.precision)}`);

const time = await exchange.fetchTime();
require(time >= until, `the exchange's clock shows ${time}, before the end of the window`);

// Every timeframe, from an instant and up to the newest.
for (const timeframe of Object.keys(exchange.timeframes)) {
    const interval = exchange.timeframes[timeframe];
    const candles = await exchange.fetchOHLCV(symbol, timeframe, since, 50);
    same(candles, await raw(interval, { startTime: since, limit: 50 }), `${timeframe} since`);
    const newest = await exchange.fetchOHLCV(symbol, timeframe, undefined, 10, { until });
    same(newest, await raw(interval, { endTime: until, limit: 10 }), `${timeframe} until`);
}

// Page by page over the hole, as a bot does: from the last open time on.
const paged = [];
let pages = 0;
for (let from = since; from <= until; pages++) {
    const page = await exchange.fetchOHLCV(symbol, '1m', from, 20, { until });
    if (page.length === 0) {
        break;
    }
    paged.push(...page);
    from = page[page.length - 1][0] + 60000;
}
const whole = await raw('1m', { startTime: since, endTime: until, limit: 1000 });
same(paged, whole, 'paging');
const holes = paged.filter((candle, i) => i > 0 && candle[0] - paged[i - 1][0] > 60000).length;
require(holes > 0, 'the window has no hole');

// ccxt's own paging.
const automatic = await exchange.fetchOHLCV(symbol, '1m', since, undefined, { paginate: true, paginationCalls: 3, until });
same(automatic, whole, 'automatic paging');

// Errors arrive as what they are.
for (const [params, kind] of [
    [{ symbol: 'NOSUCHCOIN', interval: '1m' }, ccxt.BadSymbol],
    [{ symbol: market.id, interval: '7m' }, ccxt.BadRequest],
    [{ symbol: market.id.toLowerCase(), interval: '1m' }, ccxt.BadRequest],
]) {
    let error;
    try {
        await exchange.publicGetKlines(params);
    } catch (e) {
        error = e;
    }
    require(error instanceof kind, `${JSON.stringify(params)} gave ${error} instead of ${kind.name}`);
}

console.log(JSON.stringify({ ccxt: ccxt.version, markets: Object.keys(markets).length, compared, pages, holes }));
await exchange.close();
