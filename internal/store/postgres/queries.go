package postgres

import _ "embed" // the statements, one a file, for people who read SQL

var (
	//go:embed queries/coverage.sql
	coverageSQL string
	//go:embed queries/insert_collector.sql
	insertCollectorSQL string
	//go:embed queries/jumps.sql
	jumpsSQL string
	//go:embed queries/newest.sql
	newestSQL string
	//go:embed queries/occupied.sql
	occupiedSQL string
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
	//go:embed queries/update_collector.sql
	updateCollectorSQL string
	//go:embed queries/upsert_candles.sql
	upsertCandlesSQL string
	//go:embed queries/upsert_gaps.sql
	upsertGapsSQL string
)
