package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"example.com/ai-agent/test/agent/output"
)

// client asks an agent for runs.
type client struct {
	url  string // of the agent, or of a proxy in front of it
	host string // that the proxy routes by; the URL's if empty
}

// ask sends one run and shows its events as they arrive. It returns the last one,
// ended, which is shown too.
func (c client) ask(ctx context.Context, req runRequest, show func(output.Event)) output.Event {
	ended := c.follow(ctx, req, show)
	if ctx.Err() != nil && ended.Outcome != output.Done {
		ended.Error = fmt.Sprintf("%s: %v", ended.Error, context.Cause(ctx)) // such as the signal
	}
	show(ended)
	return ended
}

func (c client) follow(ctx context.Context, req runRequest, show func(output.Event)) output.Event {
	post, err := c.request(ctx, req)
	if err != nil {
		return ended(output.Unreachable, err.Error())
	}
	res, err := http.DefaultClient.Do(post)
	if err != nil {
		return ended(output.Unreachable, err.Error())
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return ended(output.Refused, refusal(res))
	}
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind == "application/json" {
		return readWhole(res.Body, show)
	}
	return readStream(res.Body, show)
}

// refusal describes an answer other than 200.
func refusal(res *http.Response) string {
	reason, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
	return fmt.Sprintf("%s: %s", res.Status, bytes.TrimSpace(reason))
}

func ended(outcome output.Outcome, err string) output.Event {
	return output.Event{Event: output.Ended, End: &output.End{Outcome: outcome, Error: err}}
}

// request returns the HTTP request for a run.
func (c client) request(ctx context.Context, req runRequest) (*http.Request, error) {
	body, err := json.Marshal(req)
	if err != nil {
		return nil, err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, c.address("/v1/runs"), bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	post.Header.Set("Content-Type", "application/json")
	post.Host = c.host
	return post, nil
}

// address returns the URL of a path of the agent.
func (c client) address(path string) string { return strings.TrimSuffix(c.url, "/") + path }

// readStream reads server-sent events to the end of the stream. Hanging up after
// the event done would look to the agent like a client that went away.
func readStream(stream io.Reader, show func(output.Event)) output.Event {
	ended := ended(output.Interrupted, "the stream ended before the run did")
	err := readEvents(stream, func(e event) {
		switch e.Name {
		case eventStarted:
			ended.Run = e.Run
			show(output.Event{Event: output.Started, Run: e.Run})
		case eventToken:
			ended.Tokens++
			show(output.Event{Event: output.Token, Text: e.Text})
		case eventError:
			ended.Outcome, ended.Error = output.Failed, e.Error
		case eventDone:
			ended.Outcome, ended.Error = output.Done, ""
		}
	})
	if err != nil && ended.Outcome == output.Interrupted {
		ended.Error = fmt.Sprintf("%s: %v", ended.Error, err)
	}
	return ended
}

// wholeAnswer is that of an agent that does not stream.
type wholeAnswer struct{ Run, Answer string }

func decodeWhole(body io.Reader) (answer wholeAnswer, err error) {
	if err = json.NewDecoder(body).Decode(&answer); err != nil {
		err = fmt.Errorf("the answer ended before its JSON was complete: %w", err)
	}
	return answer, err
}

// readWhole reads the answer of an agent that does not stream, as one token.
func readWhole(body io.Reader, show func(output.Event)) output.Event {
	whole, err := decodeWhole(body)
	if err != nil {
		return ended(output.Interrupted, err.Error())
	}
	show(output.Event{Event: output.Started, Run: whole.Run})
	show(output.Event{Event: output.Token, Text: whole.Answer})
	done := ended(output.Done, "")
	done.Run, done.Tokens = whole.Run, 1
	return done
}

func askCommand() *cobra.Command {
	var (
		c         client
		maxTokens int64
		format    = asText
	)
	cmd := &cobra.Command{
		Use:   "ask TASK...",
		Short: "Ask an agent for one run per task, in sequence, and print each answer as it streams",
		Long: `Ask an agent for one run per task, in sequence, and print each answer as it streams.
The first run that is not done ends the sequence.

Exit codes:
  0  every run is done
  1  the command line or the configuration is wrong
  3  interrupted: the connection or the stream ended before the run did
  4  refused: an HTTP answer other than 200
  5  unreachable: no HTTP answer at all
  6  failed: the agent reported an error of its model, or that the run exceeded its budget

--output json prints one JSON object per line: the events started, token and ended of each run.`,
		Args: cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, tasks []string) error {
			if err := checkURL(c.url); err != nil {
				return err
			}
			show := format.events(os.Stdout)
			for _, task := range tasks {
				ended := c.ask(cmd.Context(), runRequest{Task: task, MaxTokens: maxTokens}, show)
				if ended.Outcome != output.Done {
					return format.exit(ended.Outcome.ExitCode(), fmt.Sprintf("run %s: %s", ended.Outcome, ended.Error))
				}
				http.DefaultClient.CloseIdleConnections() // a Service may route the next run to another pod
			}
			return nil
		},
	}
	cmd.Flags().StringVar(&c.url, "url", "http://127.0.0.1:8000", "address of the agent")
	cmd.Flags().StringVar(&c.host, "host", "", "host name to send to a proxy at --url (default: the URL's)")
	cmd.Flags().Int64Var(&maxTokens, "max-tokens", 0, maxTokensHelp)
	cmd.Flags().Var(&format, "output", "how to print the answers: text or json")
	return cmd
}

// checkURL does not repeat a wrong address: it may contain a password.
func checkURL(address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return fmt.Errorf("--url is not an HTTP address: use one such as http://ai-agent-service:8000")
	}
	return nil
}
