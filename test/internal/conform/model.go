package conform

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"time"

	"example.com/ai-agent/test/agent/llm"
)

// ServeModel serves the sample model, whose answers take as long as a run, and lets the
// agent use it. The returned function ends it.
func ServeModel(agent *Agent, length time.Duration) (stop func(), err error) {
	listener, host, err := listen(agent.Image != "")
	if err != nil {
		return nil, fmt.Errorf("serving the sample model: %w", err)
	}
	server := &http.Server{
		Handler:           llm.Handler(llm.Config{AnswerTokens: int(length.Seconds() * tokensPerSecond), TokensPerSecond: tokensPerSecond}),
		ReadHeaderTimeout: time.Minute,
	}
	go func() { _ = server.Serve(listener) }() // until it is closed
	agent.Env = extended(agent.Env, "OPENAI_BASE_URL", fmt.Sprintf("http://%s:%d/v1", host, listener.Addr().(*net.TCPAddr).Port))
	if agent.Env["OPENAI_API_KEY"] == "" {
		agent.Env["OPENAI_API_KEY"] = "none" // the clients of OpenAI insist on one
	}
	return func() { _ = server.Close() }, nil
}

// listen listens where the agent can connect to, and returns the host name that it uses.
// With Docker on Linux that is the gateway of its network; Docker Desktop forwards to
// loopback.
func listen(contained bool) (net.Listener, string, error) {
	loopback := "127.0.0.1:0"
	if !contained {
		listener, err := net.Listen("tcp", loopback)
		return listener, "127.0.0.1", err
	}
	gateway, err := docker(context.Background(), nil, "network", "inspect", "bridge", "--format", "{{(index .IPAM.Config 0).Gateway}}")
	if err != nil {
		return nil, "", err
	}
	listener, err := net.Listen("tcp", net.JoinHostPort(gateway, "0"))
	if err != nil {
		listener, err = net.Listen("tcp", loopback)
	}
	return listener, HostName, err
}
