package conform

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestFirstRunIsAskedForAgain(t *testing.T) {
	t.Parallel()
	for name, agent := range map[string]struct {
		refusals int64 // before it answers
		status   int   // of a refusal
		url      bool  // whether it ran before
		stuck    bool  // whether all that it answers comes late at first
		asked    int64
		outcome  Outcome
		tooEarly bool
	}{
		"not if it is answered":            {asked: 1, outcome: Done},
		"until its route is registered":    {refusals: 2, status: http.StatusNotFound, asked: 3, outcome: Done, tooEarly: true},
		"until its proxy reaches it":       {refusals: 1, status: http.StatusBadGateway, asked: 2, outcome: Done, tooEarly: true},
		"until it is no longer starting":   {refusals: 1, status: http.StatusServiceUnavailable, asked: 2, outcome: Done, tooEarly: true},
		"even if it was too busy to say":   {refusals: 1, status: http.StatusNotFound, stuck: true, asked: 2, outcome: Done, tooEarly: true},
		"not if the run itself is refused": {refusals: 1, status: http.StatusBadRequest, asked: 1, outcome: Failed},
		"not if no slot is free":           {refusals: 1, status: http.StatusTooManyRequests, asked: 1, outcome: Refused},
		"not if it has run before":         {refusals: 1, status: http.StatusNotFound, url: true, asked: 1, outcome: Failed},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var asked atomic.Int64
			begin := time.Now()
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if agent.stuck {
					time.Sleep(time.Until(begin.Add(firstSign + time.Second)))
				}
				if r.Method == http.MethodPost && asked.Add(1) <= agent.refusals {
					w.WriteHeader(agent.status)
					return
				}
				fmt.Fprint(w, "event: token\n\nevent: done\n\n")
			}))
			t.Cleanup(server.Close)
			protocol, err := LoadProtocol("sse", nil)
			require.NoError(t, err)
			test := Test{Protocol: protocol}
			if agent.url {
				test.URL = server.URL
			}
			first := test.firstRun(t.Context(), remote(server.URL), time.Minute, time.Minute, 0)
			defer first.cancel()
			run := <-first.ended
			require.Equal(t, agent.outcome, run.Outcome, run.Why)
			require.Equal(t, agent.asked, asked.Load())
			require.Equal(t, agent.tooEarly, run.Late > 0)
			require.Equal(t, agent.tooEarly, run.LateWhy != "")
		})
	}
}
