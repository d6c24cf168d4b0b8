package sqlite

import _ "embed" // the statements, one a file, for people who read SQL

var (
	//go:embed queries/coverage.sql
	coverageSQL string
	//go:embed queries/find_series.sql
	findSeriesSQL string
	//go:embed queries/insert_candle.sql
	insertCandleSQL string
	//go:embed queries/insert_collector.sql
	insertCollectorSQL string
	//go:embed queries/jumps.sql
	jumpsSQL string
	//go:embed queries/newest.sql
	newestSQL string
	//go:embed queries/register_series.sql
	registerSeriesSQL string
	//go:embed queries/select_candles.sql
	selectCandlesSQL string
	//go:embed queries/select_candles_descending.sql
	selectCandlesDescendingSQL string
	//go:embed queries/select_collectors.sql
	selectCollectorsSQL string
	//go:embed queries/select_gaps.sql
	selectGapsSQL string
	//go:embed queries/select_series.sql
	selectSeriesSQL string
	//go:embed queries/select_stored.sql
	selectStoredSQL string
	//go:embed queries/update_candle.sql
	updateCandleSQL string
	//go:embed queries/update_collector.sql
	updateCollectorSQL string
	//go:embed queries/upsert_gap.sql
	upsertGapSQL string
)
