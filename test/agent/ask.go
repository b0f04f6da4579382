package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// errCut says that a stream ended before its run did.
var errCut = errors.New("the run was cut: the stream ended before the event done")

// ask sends one run to the agent at url, for a proxy there under the name host if
// one is given, and writes the answer as it streams in. It fails with errCut
// where the stream ends without the agent having said so.
func ask(ctx context.Context, url, host string, req runRequest, answer io.Writer) error {
	body, err := json.Marshal(req)
	if err != nil {
		return err
	}
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(url, "/")+"/v1/runs", bytes.NewReader(body))
	if err != nil {
		return err
	}
	post.Host = host // empty, it is the URL's
	res, err := http.DefaultClient.Do(post)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		reason, _ := io.ReadAll(io.LimitReader(res.Body, 4096))
		return fmt.Errorf("%s: %s", res.Status, bytes.TrimSpace(reason))
	}
	event, ended := "", errCut
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		if name, ok := strings.CutPrefix(lines.Text(), "event: "); ok {
			event = name
		}
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var piece struct{ Text, Error string }
		if err := json.Unmarshal([]byte(data), &piece); err != nil {
			return fmt.Errorf("event %s: %w", event, err)
		}
		switch event {
		case "token":
			fmt.Fprint(answer, piece.Text)
		case "error":
			ended = errors.New(piece.Error)
		case "done":
			ended = nil
		}
		// On to the stream's end: to hang up first would look like going away.
	}
	return errors.Join(ended, lines.Err())
}
