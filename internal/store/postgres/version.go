package postgres

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5/pgconn"
)

// RegistryVersion counts the changes of the registry; see store.Versions. It is one round trip.
func (s *Store) RegistryVersion(ctx context.Context) (version int64, err error) {
	err = s.withConn(ctx, "read the registry's version", func(conn *pgconn.PgConn) error {
		var read trip
		read.add(registryVersionSQL)
		if err := read.run(ctx, conn); err != nil {
			return err
		}
		rows := read.results[0].Rows
		if len(rows) != 1 {
			return errors.New("the table registry_version has lost its row")
		}
		version, err = strconv.ParseInt(string(rows[0][0]), 10, 64)
		return err
	})
	return version, err
}
