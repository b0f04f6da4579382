package conform

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
)

// listener is a TCP socket on which a process listens.
type listener struct {
	loopback bool // only this machine, or this pod, can connect to it
	port     int
}

// listeners returns those of the network namespace of a process, as the files tcp and
// tcp6 of proc(5) list them. Elsewhere than on Linux, none can be seen.
func listeners(pid int) []listener {
	var found []listener
	for _, file := range []string{"tcp", "tcp6"} {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/net/%s", pid, file))
		if err != nil {
			continue // the process has ended, or the kernel lacks the protocol
		}
		for line := range strings.Lines(string(text)) {
			if one, ok := parseListener(strings.Fields(line)); ok && !slices.Contains(found, one) {
				found = append(found, one)
			}
		}
	}
	return found
}

const (
	listening    = "0A" // TCP_LISTEN
	loopbackIPv6 = "00000000000000000000000001000000"
	mappedIPv4   = "0000000000000000FFFF0000" // with which an address ::ffff:127.0.0.1 begins
)

// parseListener reads a line of /proc/net/tcp: its second field is the address, in hex
// and in the byte order of the host, its fourth the state.
func parseListener(fields []string) (listener, bool) {
	if len(fields) < 4 || fields[3] != listening {
		return listener{}, false
	}
	address, hex, _ := strings.Cut(fields[1], ":")
	port, err := strconv.ParseUint(hex, 16, 16)
	isIPv4 := len(address) == 8 || strings.HasPrefix(address, mappedIPv4)
	return listener{isIPv4 && strings.HasSuffix(address, "7F") || address == loopbackIPv6, int(port)}, err == nil
}

// portsOf returns the port of each listener that is on loopback, or that is not.
func portsOf(all []listener, loopback bool) []int {
	var ports []int
	for _, one := range all {
		if one.loopback == loopback && !slices.Contains(ports, one.port) {
			ports = append(ports, one.port)
		}
	}
	return ports
}
