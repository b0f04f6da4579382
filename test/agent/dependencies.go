package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	neturl "net/url"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// checkTimeout bounds each check. It is shorter than the 5 s of the readiness probe.
const checkTimeout = 2 * time.Second

// dependencies are the servers that the agent needs to be ready.
type dependencies map[string]func(context.Context) error

// dependenciesFromEnv reads REDIS_URL and DATABASE_URL. A server whose variable is
// not set is not checked. The user of DATABASE_URL defaults to postgres, its
// password to DATABASE_PASSWORD. Nothing is dialed yet.
func dependenciesFromEnv() (dependencies, error) {
	checks := dependencies{}
	if url := os.Getenv("REDIS_URL"); url != "" {
		options, err := redis.ParseURL(url)
		if err != nil {
			var quoted *neturl.Error // quotes the URL with its password
			if errors.As(err, &quoted) {
				err = quoted.Err
			}
			return nil, fmt.Errorf("REDIS_URL: %w", err)
		}
		options.ContextTimeoutEnabled = true // otherwise a server that never answers outlasts the check
		client := redis.NewClient(options)
		checks["redis"] = func(ctx context.Context) error { return client.Ping(ctx).Err() }
	}
	if url := os.Getenv("DATABASE_URL"); url != "" {
		config, err := pgxpool.ParseConfig(url)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_URL: %w", err)
		}
		if config.ConnConfig.User == "" {
			config.ConnConfig.User = "postgres"
		}
		if config.ConnConfig.Password == "" {
			config.ConnConfig.Password = os.Getenv("DATABASE_PASSWORD")
		}
		pool, err := pgxpool.NewWithConfig(context.Background(), config)
		if err != nil {
			return nil, fmt.Errorf("DATABASE_URL: %w", err)
		}
		checks["postgres"] = pool.Ping
	}
	return checks, nil
}

// The states of a dependency. Errors are only logged: they name users, databases and
// addresses, which clients of the agent must not learn.
const (
	available   = "ok"
	unavailable = "unavailable"
)

// check pings all dependencies at the same time. It returns the state of each, and
// whether all are available.
func (d dependencies) check(ctx context.Context) (states map[string]string, ok bool) {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
	defer cancel()
	var (
		wg sync.WaitGroup
		mu sync.Mutex
	)
	states, ok = map[string]string{}, true
	for name, ping := range d {
		wg.Go(func() {
			err := ping(ctx)
			mu.Lock()
			defer mu.Unlock()
			states[name] = available
			if err != nil {
				slog.Warn("a dependency is unavailable", "name", name, "error", err)
				states[name], ok = unavailable, false
			}
		})
	}
	wg.Wait()
	return states, ok
}
