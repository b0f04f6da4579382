package page_test

import (
	"cmp"
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"example.com/ai-agent/test/internal/bench/benchtest"
	"example.com/ai-agent/test/internal/repo"
)

// browser starts Chromium. Tests keep a screenshot of each page, in .cache/screenshots or the
// folder SCREENSHOTS.
func browser(t *testing.T) context.Context {
	t.Helper()
	program := ""
	for _, name := range []string{"chromium", "google-chrome", "chromium-browser"} {
		if path, err := exec.LookPath(name); err == nil {
			program = path
			break
		}
	}
	if program == "" {
		t.Skip("no Chromium: install the Debian package chromium, or run scripts/browser.sh")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()),
		chromedp.WSURLReadTimeout(2*time.Minute), chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))
	allocator, end := chromedp.NewExecAllocator(t.Context(), options...)
	t.Cleanup(end)
	ctx, end := chromedp.NewContext(allocator)
	t.Cleanup(end)
	require.NoError(t, chromedp.Do(ctx)) // starts it
	return ctx
}

// complaints collects what a page's tab reports: errors, warnings, and what it loads other than the
// page itself.
type complaints struct {
	sync.Mutex
	all []string
}

// hear returns what a tab calls for each event of a page.
func (c *complaints) hear(page string) func(event any) {
	return func(event any) {
		c.Lock()
		defer c.Unlock()
		switch e := event.(type) {
		case *runtime.EventConsoleAPICalled:
			c.all = append(c.all, fmt.Sprintf("console: %s", e.Type))
		case *runtime.EventExceptionThrown:
			c.all = append(c.all, e.ExceptionDetails.Exception.Description)
		case *log.EventEntryAdded:
			c.all = append(c.all, e.Entry.Text)
		case *network.EventLoadingFailed:
			c.all = append(c.all, e.ErrorText)
		case *network.EventRequestWillBeSent:
			if e.Request.URL != page && !strings.HasPrefix(e.Request.URL, "data:") {
				c.all = append(c.all, "request of "+e.Request.URL)
			}
		}
	}
}

func (c *complaints) list() []string {
	c.Lock()
	defer c.Unlock()
	return c.all
}

// layout is how a page is laid out.
type layout struct {
	Overflow   int      // pixels that the page is wider than the window
	Background string   // of the body
	Spilled    []string // texts that leave their table cell
	Charts     []chart
}

type chart struct {
	Label            string
	Width, Height    float64 // in the page
	Bars, Lost, Done int     // paths; those of lost runs; those of finished runs, or points of a curve
	Outside          int     // texts that are not in the picture
	Colors           int     // different ones of its paths
}

// measure is what a browser evaluates to a layout.
const measure = `(() => {
	document.querySelectorAll("details").forEach(d => d.open = true);
	const root = document.documentElement;
	const filled = (paths, swatch) => {
		const color = getComputedStyle(document.querySelector(".swatch." + swatch)).backgroundColor;
		return paths.filter(path => getComputedStyle(path).fill == color).length;
	};
	return {
		Overflow: root.scrollWidth - root.clientWidth,
		Background: getComputedStyle(document.body).backgroundColor,
		Spilled: [...document.querySelectorAll("th, td")].filter(cell => cell.scrollWidth > cell.clientWidth + 1).map(cell => cell.textContent),
		Charts: [...document.querySelectorAll("svg")].map(svg => {
			const box = svg.getBoundingClientRect();
			const paths = [...svg.querySelectorAll("path")];
			return {
				Label: svg.getAttribute("aria-label"),
				Width: box.width, Height: box.height,
				Bars: paths.length,
				Lost: filled(paths, "lost"),
				Done: filled(paths, "run"),
				Outside: [...svg.querySelectorAll("text")].filter(text => {
					const at = text.getBoundingClientRect();
					return at.left < box.left - 1 || at.right > box.right + 1 || at.top < box.top - 1 || at.bottom > box.bottom + 1;
				}).length,
				Colors: new Set(paths.map(path => getComputedStyle(path).fill + getComputedStyle(path).stroke)).size,
			};
		}),
	};
})()`

// open shows a page in a window of a width and color scheme.
func open(t *testing.T, browser context.Context, text string, width int64, scheme string) (layout, []string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "report.html")
	require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
	address := (&url.URL{Scheme: "file", Path: file}).String()
	var heard complaints
	tab, end := chromedp.NewContext(browser, chromedp.WithListener(heard.hear(address)))
	defer end()
	mode := emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}
	_, err := chromedp.Call(tab, emulation.SetEmulatedMedia, mode)
	require.NoError(t, err)
	require.NoError(t, chromedp.Do(tab, chromedp.EmulateViewport(width, 900), chromedp.Navigate(address)))
	screenshot(t, tab)
	got, err := chromedp.Run(tab, chromedp.Evaluate[layout](measure))
	require.NoError(t, err)
	return got, heard.list()
}

// screenshot keeps what a tab shows.
func screenshot(t *testing.T, tab context.Context) {
	t.Helper()
	name := strings.Map(func(r rune) rune {
		if strings.ContainsRune("/ ,", r) {
			return '-'
		}
		return r
	}, t.Name()) + ".png"
	folder := cmp.Or(os.Getenv("SCREENSHOTS"), repo.Path(".cache", "screenshots"))
	require.NoError(t, os.MkdirAll(folder, 0o755))
	image, err := chromedp.Run(tab, chromedp.FullScreenshot(100))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(folder, name), image, 0o600))
}

func TestPageInBrowser(t *testing.T) {
	t.Parallel()
	browser := browser(t)
	result := benchtest.Example()
	var lost []int
	for _, s := range sortedByDisturbance(result) {
		lost = append(lost, 0)
		for _, run := range s.Runs {
			if run.Lost() {
				lost[len(lost)-1]++
			}
		}
	}
	text := write(t, result)
	backgrounds := map[string]bool{}
	for _, width := range []int64{1280, 375} {
		for _, scheme := range []string{"light", "dark"} {
			t.Run(fmt.Sprintf("%d pixels, %s", width, scheme), func(t *testing.T) {
				got, complaints := open(t, browser, text, width, scheme)
				assert.Empty(t, complaints)
				assert.LessOrEqual(t, got.Overflow, 0, "pixels that the page scrolls sideways")
				assert.Empty(t, got.Spilled)
				require.Len(t, got.Charts, len(result.Scenarios)+9, "a timeline of each scenario, and 9 curves")
				for i, chart := range got.Charts {
					assert.Positive(t, chart.Bars, chart.Label)
					assert.Greater(t, chart.Colors, 1, chart.Label)
					assert.Zero(t, chart.Outside, "texts outside of %s", chart.Label)
					assert.Greater(t, min(chart.Width, chart.Height), 100.0, chart.Label)
					if i < len(lost) {
						assert.Equal(t, lost[i], chart.Lost, chart.Label)
						continue
					}
					assert.Equal(t, 3, chart.Done, "points of %s", chart.Label)
				}
				backgrounds[got.Background] = true
			})
		}
	}
	assert.Len(t, backgrounds, 2, "light and dark pages must have different backgrounds")
}

// TestLongTextsFit has texts without spaces, and a disturbance late in its scenario.
func TestLongTextsFit(t *testing.T) {
	t.Parallel()
	browser := browser(t)
	long := strings.Repeat("long", 30)
	result := benchtest.Example()
	result.Commit, result.Machine.OS = long, long
	for i := range result.Scenarios {
		s := &result.Scenarios[i]
		s.Subject += long
		s.Disturbance += long[:40]
		s.Disturbed, s.Settled = s.Ended-2, s.Ended-1
		s.Pods[0].Name, s.Pods[0].Node, s.Runs[0].Error = long, long, long
	}
	result.Scenarios[0].Invalid = long
	text := write(t, result)
	for _, width := range []int64{1280, 375} {
		got, complaints := open(t, browser, text, width, "light")
		assert.Empty(t, complaints)
		assert.LessOrEqual(t, got.Overflow, 0)
		assert.Empty(t, got.Spilled)
		for _, chart := range got.Charts {
			assert.Zero(t, chart.Outside, "texts outside of %s", chart.Label)
		}
	}
}

// TestBrowserSeesDefects is the control of TestPageInBrowser.
func TestBrowserSeesDefects(t *testing.T) {
	t.Parallel()
	browser := browser(t)
	text := write(t, benchtest.Example())
	for _, test := range []struct{ name, defect, complaint string }{
		{"a picture that is missing", `<img src="missing.png">`, "ERR_FILE_NOT_FOUND"},
		{"a script that fails", `<script>nothing()</script>`, "nothing is not defined"},
	} {
		_, complaints := open(t, browser, strings.Replace(text, "</main>", test.defect+"</main>", 1), 1280, "light")
		assert.Contains(t, strings.Join(complaints, "\n"), test.complaint, test.name)
	}
	const wide = `<div style="width: 500px">wide</div><table><td style="max-width: 20px; overflow-wrap: normal">spilled</td></table></main>`
	got, _ := open(t, browser, strings.Replace(text, "</main>", wide, 1), 375, "light")
	assert.Positive(t, got.Overflow)
	assert.Equal(t, []string{"spilled"}, got.Spilled)
	got, _ = open(t, browser, strings.ReplaceAll(text, "fill:var(--lost)", "fill:var(--done)"), 1280, "light")
	for _, chart := range got.Charts {
		assert.Zero(t, chart.Lost)
	}
}
