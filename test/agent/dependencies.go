package main

import (
	"context"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/redis/go-redis/v9"
)

// checkTimeout bounds each check; it lies under the readiness probe's 5 s.
const checkTimeout = 2 * time.Second

// dependencies are the servers without which the agent takes no traffic.
type dependencies map[string]func(context.Context) error

// dependenciesFromEnv reads REDIS_URL and DATABASE_URL; one that is not set is
// not checked. A DATABASE_URL without a user means postgres, one without a
// password takes DATABASE_PASSWORD. Nothing is dialled yet.
func dependenciesFromEnv() (dependencies, error) {
	checks := dependencies{}
	if url := os.Getenv("REDIS_URL"); url != "" {
		options, err := redis.ParseURL(url)
		if err != nil {
			return nil, fmt.Errorf("REDIS_URL: %w", err)
		}
		options.ContextTimeoutEnabled = true // else a silent server outlasts the check
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

// check asks every dependency at once and returns each one's state, "ok" or
// what is wrong, and whether all are ok.
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
			states[name] = "ok"
			if err != nil {
				states[name], ok = err.Error(), false
			}
		})
	}
	wg.Wait()
	return states, ok
}
