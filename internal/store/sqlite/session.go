package sqlite

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
)

// session is a connection at the driver's own interface. database/sql between us and the driver
// costs a fifth of the speed at which candles are stored.
type session struct{ conn driver.Conn }

// withSession lends a connection of db to do.
func withSession(ctx context.Context, db *sql.DB, do func(session) error) (err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	return conn.Raw(func(driverConn any) error {
		c, ok := driverConn.(driver.Conn)
		if !ok {
			return fmt.Errorf("%T is no driver's connection", driverConn)
		}
		return do(session{c})
	})
}

// transaction runs do between BEGIN IMMEDIATE and COMMIT, or takes back what it did.
func (c session) transaction(ctx context.Context, do func() error) error {
	beginner, ok := c.conn.(driver.ConnBeginTx)
	if !ok {
		return fmt.Errorf("%T begins no transactions", c.conn)
	}
	tx, err := beginner.BeginTx(ctx, driver.TxOptions{})
	if err != nil {
		return err
	}
	if err = do(); err == nil {
		err = ctx.Err() // whoever gave up is not told that it was done
	}
	if err != nil {
		// After some errors, such as a full disk, SQLite has rolled back already and says so.
		_ = tx.Rollback()
		return err
	}
	return tx.Commit()
}

// statement is a prepared statement with room for its parameters.
type statement struct {
	stmt interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}
	params []driver.NamedValue
}

// prepare compiles a statement, which must be closed.
func (c session) prepare(ctx context.Context, text string) (*statement, error) {
	preparer, ok := c.conn.(driver.ConnPrepareContext)
	if !ok {
		return nil, fmt.Errorf("%T prepares no statements", c.conn)
	}
	prepared, err := preparer.PrepareContext(ctx, text)
	if err != nil {
		return nil, err
	}
	s := &statement{}
	if s.stmt, ok = prepared.(interface {
		driver.Stmt
		driver.StmtExecContext
		driver.StmtQueryContext
	}); !ok {
		return nil, errors.Join(fmt.Errorf("%T runs with no context", prepared), prepared.Close())
	}
	return s, nil
}

func (s *statement) bind(values []driver.Value) []driver.NamedValue {
	for len(s.params) < len(values) {
		s.params = append(s.params, driver.NamedValue{Ordinal: len(s.params) + 1})
	}
	for i, v := range values {
		s.params[i].Value = v
	}
	return s.params[:len(values)]
}

// exec runs the statement and tells how many rows it touched.
func (s *statement) exec(ctx context.Context, values []driver.Value) (int64, error) {
	result, err := s.stmt.ExecContext(ctx, s.bind(values))
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// query runs the statement and gives each row to yield, which may not keep the slice.
func (s *statement) query(ctx context.Context, values []driver.Value, yield func(row []driver.Value) error) (err error) {
	rows, err := s.stmt.QueryContext(ctx, s.bind(values))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rows.Close()) }()
	row := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(row); {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		}
		if err := yield(row); err != nil {
			return err
		}
	}
}

func (s *statement) close() error { return s.stmt.Close() }

// query prepares and runs a statement once.
func (c session) query(ctx context.Context, text string, values []driver.Value, yield func(row []driver.Value) error) (err error) {
	s, err := c.prepare(ctx, text)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	return s.query(ctx, values, yield)
}
