package cluster

import (
	"context"
	"errors"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// poll is how often a condition is checked: each check costs CPU that the pods need.
const poll = 2 * time.Second

// Condition returns nil if it holds, and otherwise what is wrong. It never fails a
// test itself: an error of the API means "not yet".
type Condition func(ctx context.Context) error

// permanent is an error that no later check can change.
type permanent struct{ error }

// Permanent makes Eventually fail at once: waiting longer cannot help. An error of
// the API is never permanent.
func Permanent(err error) error {
	if unanswered(err) {
		return err
	}
	return permanent{err}
}

// notYet is an error that is not an observation.
type notYet struct{ error }

// NotYet marks an error that says that there is nothing to observe yet.
func NotYet(err error) error { return notYet{err} }

// Eventually checks a condition until it holds. After the time within, the test fails
// with what was still wrong.
func Eventually(t *testing.T, what string, within time.Duration, condition Condition) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context()) // which has ended during cleanup
	for deadline := time.Now().Add(within); ; time.Sleep(poll) {
		err := condition(ctx)
		if err == nil {
			return
		}
		if errors.As(err, &permanent{}) || time.Now().After(deadline) {
			require.NoErrorf(t, err, "expected within %s: %s", within, what)
		}
	}
}

// Consistently checks a condition for some time. The test fails as soon as the
// condition does not hold. An error of the API is not an observation: the period ends
// with a check that got an answer.
func Consistently(t *testing.T, what string, period time.Duration, condition Condition) {
	t.Helper()
	ctx := context.WithoutCancel(t.Context())
	for deadline := time.Now().Add(period); ; time.Sleep(poll) {
		err := condition(ctx)
		over := time.Since(deadline)
		if unanswered(err) && over < time.Minute {
			continue
		}
		require.NoErrorf(t, err, "expected for %s: %s", period, what)
		if over >= 0 {
			return
		}
	}
}

// unanswered reports whether a question has not been answered.
func unanswered(err error) bool {
	if errors.As(err, &notYet{}) {
		return true
	}
	var status apierrors.APIStatus
	var connection *url.Error
	return errors.As(err, &connection) || errors.As(err, &status) && !apierrors.IsNotFound(err)
}
