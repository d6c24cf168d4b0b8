package server

import (
	"regexp"

	"velador/api"
	"velador/internal/problem"
)

// sentence is one message in both languages; {name} stands for a parameter.
type sentence struct{ es, en string }

// in gives the sentence in a language, its parameters filled in. A parameter that nobody supplied
// becomes an ellipsis.
func (m sentence) in(lang language, params map[string]string) string {
	text := m.es
	if lang == english {
		text = m.en
	}
	// In one pass, so that a parameter's own text is never taken for a template.
	return placeholder.ReplaceAllStringFunc(text, func(name string) string {
		if value, ok := params[name[1:len(name)-1]]; ok {
			return clip(value)
		}
		return "…"
	})
}

var placeholder = regexp.MustCompile(`\{[a-z_]+\}`)

// The contract's own words (DESIGN section 7).
var (
	started = sentence{
		"Collector iniciado para {symbol} en timeframe {timeframe}",
		"Collector started for {symbol} on timeframe {timeframe}",
	}
	stopped = sentence{
		"Collector detenido exitosamente",
		"Collector stopped successfully",
	}
)

// restarted answers a restart.
var restarted = sentence{
	"Collector reiniciado para {symbol} en timeframe {timeframe}",
	"Collector restarted for {symbol} on timeframe {timeframe}",
}

// stoppedAll counts, in either number.
var stoppedAll = sentence{
	"Collectors detenidos: {stopped}",
	"Collectors stopped: {stopped}",
}

// How the life of a collector's process ended.
var (
	endedWithCode = sentence{
		"terminó con el código de salida {code}",
		"ended with exit code {code}",
	}
	endedBySignal = sentence{
		"terminado por la señal {signal} ({name})",
		"ended by signal {signal} ({name})",
	}
	endedUnseen = sentence{
		"terminó sin que nadie viera cómo",
		"ended, and nobody saw how",
	}
)

// unavailable is the reason of a check that gives none for the public.
var unavailable = sentence{
	"no disponible: el registro del servidor dice más",
	"not available: the server's log says more",
}

// otherCase follows the sentence of an unknown symbol that is not in upper case.
var otherCase = sentence{
	" (mayúsculas y minúsculas cuentan: ¿quizá {upper}?)",
	" (case matters: perhaps {upper}?)",
}

// sentences holds the words of every code; a test keeps it complete.
var sentences = map[problem.Code]sentence{
	problem.CodeInternal: {
		"Error interno de velador: el registro del servidor dice más",
		"Internal error of velador: the server's log says more",
	},
	problem.CodeInvalidBody: {
		`El cuerpo de la petición no es un objeto JSON en UTF-8, como {"timeframe":"1m","symbol":"ETHUSDT"}`,
		`The request's body is not a JSON object in UTF-8, such as {"timeframe":"1m","symbol":"ETHUSDT"}`,
	},
	problem.CodeBodyTooLarge: {
		"El cuerpo de la petición es demasiado grande: se admiten {max} bytes",
		"The request's body is too large: {max} bytes are allowed",
	},
	problem.CodeInvalidParameter: {
		"El parámetro {name} no es válido: {detail}",
		"The parameter {name} is not valid: {detail}",
	},
	problem.CodeInvalidTimeframe: {
		"El timeframe {timeframe} no es válido: use uno de {allowed}",
		"The timeframe {timeframe} is not valid: use one of {allowed}",
	},
	problem.CodeInvalidSelector: {
		"El símbolo no es válido: indique un mercado como ETHUSDT, una lista separada por comas o un patrón como *USDT",
		"The symbol is not valid: give a market such as ETHUSDT, a list with commas, or a pattern such as *USDT",
	},
	problem.CodeInvalidPID: {
		"El pid no es válido: indique el número entero, mayor que cero, que dio el inicio del collector",
		"The pid is not valid: give the whole number above zero that the collector's start answered",
	},
	problem.CodeUnknownExchange: {
		"El exchange {exchange} no se conoce: use uno de {allowed}",
		"The exchange {exchange} is not known: use one of {allowed}",
	},
	problem.CodeUnknownSymbol: {
		"El símbolo {symbol} no existe en {exchange}",
		"The symbol {symbol} does not exist on {exchange}",
	},
	problem.CodeNoSymbolMatches: {
		"Ningún símbolo de {exchange} corresponde a {selector}",
		"No symbol of {exchange} matches {selector}",
	},
	problem.CodeAlreadyRunning: {
		"Ya hay un collector en ejecución para {symbol} en timeframe {timeframe}",
		"A collector is running already for {symbol} on timeframe {timeframe}",
	},
	problem.CodeCollectorNotFound: {
		"Collector no encontrado o ya detenido",
		"Collector not found or already stopped",
	},
	problem.CodeAmbiguousPID: {
		"Varias máquinas tienen un collector con el pid {pid}: indique el id, uno de {ids}",
		"Several machines have a collector with the pid {pid}: give the id, one of {ids}",
	},
	problem.CodeCollectorFailed: {
		"El collector para {symbol} en timeframe {timeframe} no pudo iniciarse: {detail}",
		"The collector for {symbol} on timeframe {timeframe} could not be started: {detail}",
	},
	problem.CodeStopFailed: {
		"El collector no pudo detenerse: {detail}",
		"The collector could not be stopped: {detail}",
	},
	problem.CodeRestartFailed: {
		"El collector no pudo reiniciarse: {detail}",
		"The collector could not be restarted: {detail}",
	},
	problem.CodeExchangeUnavailable: {
		"No se puede contactar con {exchange} ahora: inténtelo más tarde",
		"{exchange} cannot be reached now: try again later",
	},
	problem.CodeExchangeNonsense: {
		"{exchange} dio una respuesta que no se entiende: inténtelo más tarde",
		"{exchange} gave an answer that makes no sense: try again later",
	},
	problem.CodeExchangeBanned: {
		"{exchange} rechaza las peticiones de esta máquina hasta {until}",
		"{exchange} refuses this machine's requests until {until}",
	},
	problem.CodeDatabaseUnavailable: {
		"La base de datos no está disponible ahora: inténtelo más tarde",
		"The database is not available now: try again later",
	},
	problem.CodeBusUnavailable: {
		"El bus de mensajes no está disponible ahora: inténtelo más tarde",
		"The message bus is not available now: try again later",
	},
	problem.CodeRouteNotFound: {
		"La ruta {path} no existe: /docs muestra las que hay",
		"The path {path} does not exist: /docs shows those that do",
	},
	problem.CodeMethodNotAllowed: {
		"El método {method} no se admite en {path}: use {allowed}",
		"The method {method} is not allowed on {path}: use {allowed}",
	},
	problem.CodeShuttingDown: {
		"velador se está deteniendo: inténtelo más tarde",
		"velador is shutting down: try again later",
	},
	problem.CodeSeriesNotFound: {
		"No hay ninguna serie de {symbol} en timeframe {timeframe} de {exchange}",
		"There is no series of {symbol} on timeframe {timeframe} of {exchange}",
	},
	problem.CodeFormatNotAvailable: {
		"El formato {format} no está disponible: use uno de {allowed}",
		"The format {format} is not available: use one of {allowed}",
	},

	// What only the server finds wrong.
	api.CodeMissingParameter: {
		"Falta el parámetro {name}",
		"The parameter {name} is missing",
	},
	api.CodeNotText: {
		"El campo {name} debe ser un texto",
		"The member {name} must be a text",
	},
	api.CodeInvalidChoice: {
		"El parámetro {name} no puede ser {value}: use uno de {allowed}",
		"The parameter {name} cannot be {value}: use one of {allowed}",
	},
	api.CodeInvalidTime: {
		"El parámetro {name} no es un instante: use milisegundos desde 1970 o RFC 3339, como 2026-11-23T10:00:00Z",
		"The parameter {name} is not an instant: use milliseconds since 1970 or RFC 3339, such as 2026-11-23T10:00:00Z",
	},
	api.CodeInvalidRange: {
		"El parámetro from ({from}) es posterior a to ({to})",
		"The parameter from ({from}) lies after to ({to})",
	},
	api.CodeInvalidNumber: {
		"El parámetro {name} debe ser un número entero de {min} a {max}",
		"The parameter {name} must be a whole number from {min} to {max}",
	},
	api.CodeTooManyDays: {
		"Son demasiados días ({days}): se admiten {max}; acote con from y to",
		"Too many days ({days}): {max} are allowed; narrow them with from and to",
	},
	api.CodeInvalidSince: {
		"El campo since no es válido: use milisegundos desde 1970, RFC 3339, o una duración hacia atrás como 24h o 30d",
		"The member since is not valid: use milliseconds since 1970, RFC 3339, or a duration before now such as 24h or 30d",
	},
	api.CodeInvalidID: {
		"El id no es válido: indique un número entero mayor que cero",
		"The id is not valid: give a whole number above zero",
	},
	api.CodeUnauthorized: {
		"Falta el token de velador o no es el correcto: envíe la cabecera Authorization: Bearer TOKEN",
		"velador's token is missing or wrong: send the header Authorization: Bearer TOKEN",
	},
	api.CodeCrossOrigin: {
		"La petición viene de otro sitio web y se rechaza",
		"The request comes from another web site and is refused",
	},
	api.CodeStopAllFailed: {
		"Collectors que no pudieron detenerse: {failed}; detenidos: {stopped}",
		"Collectors that could not be stopped: {failed}; stopped: {stopped}",
	},
	api.CodeReadOnly: {
		"El token {token} es de solo lectura: no puede cambiar nada",
		"The token {token} is read-only: it may change nothing",
	},
	api.CodeTooManyRequests: {
		"Demasiadas peticiones: inténtelo de nuevo en {seconds} s",
		"Too many requests: try again in {seconds} s",
	},
	api.CodeHostNotAllowed: {
		"Este servidor no se llama {host}: añada el nombre con --allowed-host o VELADOR_ALLOWED_HOSTS si lo es",
		"This server is not called {host}: add the name with --allowed-host or VELADOR_ALLOWED_HOSTS if it is",
	},
	api.CodeVerifying: {
		"Ya se está verificando {symbol} en timeframe {timeframe} de {exchange}",
		"{symbol} on timeframe {timeframe} of {exchange} is being verified already",
	},
	api.CodeTooManyVerifications: {
		"Ya hay {max} verificaciones en curso, que comparten lo que el exchange permite: espere a que termine una",
		"{max} verifications are under way, and share what the exchange allows: wait until one has ended",
	},
	api.CodeNotReady: {
		"velador no está listo: {checks}",
		"velador is not ready: {checks}",
	},
}
