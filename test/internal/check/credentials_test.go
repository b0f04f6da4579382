package check

import (
	"fmt"
	"slices"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"sigs.k8s.io/yaml"

	"example.com/ai-agent/test/internal/chart"
	"example.com/ai-agent/test/internal/charttest"
)

// patterns are those of the chart.
func patterns(t *testing.T) credentials {
	t.Helper()
	var file credentialPatterns
	require.NoError(t, yaml.UnmarshalStrict(charttest.Own(t).File(credentialsFile), &file))
	compiled, err := file.compile()
	require.NoError(t, err)
	return compiled
}

// credentialTexts are or have a credential, in a line of their own.
var credentialTexts = []string{
	`sk-proj-abcdefghijklmnop`,
	`sk-abcdefghijklmnopqrstuvwx`,
	`sk-ant-api03-abcdefgh`,
	`--api-key=sk-proj-abcdefghijklmnop`,
	`--api-key=hunter2`,
	`--password=hunter2`,
	`--token=abcdef`,
	`hf_abcdefghijklmnopqrstuvwxyz`,
	`ghp_0123456789abcdef`,
	`github_pat_abc-secret`,
	`AKIAIOSFODNN7EXAMPLE`,
	`xoxb-123456-abcdef`,
	`AIzaSyA1234567890abcdefghijklmno`,
	`eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc`,
	`Bearer eyJhbGciOiJIabc-secret`,
	`-----BEGIN RSA PRIVATE KEY-----`,
	`-----BEGIN PRIVATE KEY-----abc-secret`,
	`-----BEGIN OPENSSH PRIVATE KEY-----`,
	`lsv2_pt_0123456789`,
	`postgres://user:p/ss@db.data:5432/agents`,
	`postgres://user:p@ss@db.data:5432/agents`,
	`postgres://user:p#ss@db.data:5432/agents`,
	`postgres://user:p?ss@db.data:5432/agents`,
	`postgres://user:p%2Fss@db.data:5432/agents`,
	`postgres://user:12/34@db.data:5432/agents`,
	`postgres://user:12#34@db.data:5432/agents`,
	`postgres://user:1/@db`,
	`postgres://user:/ss@db`,
	`postgres://us/er:pw@db`,
	`postgres:/user:pw@db`,
	`postgres:user:pw@db/x`,
	`postgres://me@srv:pw@host/db`,
	`postgres://user:p ss@db/a`,
	`postgres://user:p"ss@db/a`,
	`postgres://user:p:ss@db/a`,
	`redis://:pw@redis:6379`,
	`redis://:p/w@redis:6379`,
	`rediss://default:pw@r:6379/0`,
	`https://user:pw@example.com/`,
	`https://user:p/w@example.com/`,
	`amqp://guest:guest@mq:5672/`,
	`mongodb+srv://u:p@cluster/x`,
	`postgresql+asyncpg://u:p@db/x`,
	`redis://r?password=abc-secret`,
	`jdbc:postgresql://db/x?user=a&password=b`,
	`jdbc:oracle:thin:scott/tiger@//db:1521/x`,
	`host=db user=a password=hunter2`,
	`Server=db;User=a;Pwd=hunter2;`,
	`https://hooks.slack.com/services/T/B/abc-secret`,
	`user:pw@proxy:3128`,
	`DefaultEndpointsProtocol=https;AccountKey=abc==`,
	`Authorization=Basic%20YWJj`,
	`{"password": "hunter2"}`,
	`api_key: abcdefgh`,
	`https://x.blob.core.windows.net/a?sv=1&sig=abc`,
	`user:pw@tcp(h:3306)/db`,
	`user:p@s/s@tcp(h:3306)/db?parseTime=true`,
	`dsn=user:pw@unix(/tmp/mysql.sock)/db`,
	`vault:pw@tcp(h:3306)/db`,
	`redis://vault:secret/data@r`,
	`--db-pass=x`,
	`--pass=x`,
	`--db-password=x`,
	`--openai-api-key=x`,
	`-token=x`,
	`exec agent --redis.pass=x`,
	`agent --db-password hunter2`,
	`redis-server --requirepass x`,
	`export API_TOKEN=abc123`,
	`env DB_TOKEN=abc agent`,
	`PGPASSWORD=x psql`,
	`password: "correct horse battery"`,
	`secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"`,
	`api_key: AbCdEfGh+IjKl/mNoP==`,
	`password: letmein!`,
	`MYSQL_PWD=x mysql`,
	`REDISCLI_AUTH=x redis-cli`,
	`set -e; OPENAI_KEY="x"; export OPENAI_KEY`,
	`SECRET_KEY_BASE=x rails server`,
	`dbPassword = x`,
	`sort_key=a password=b`,
	`password=$(FIRST)b`,
	`--api-key=emptyx`,
	`{"private_key": "abc"}`,
	`{"client_secret": "abc"}`,
	`{"user":"a","password":"b"}`,
	`{"openaiApiKey": "abc"}`,
	`{\"password\":\"abc\"}`,
	`{user: a, password: abcdef}`,
	`password: "abcdef" # mine`,
	`Log in with the password: hunter2, then ask.`,
	`X-Api-Key:abc123`,
	`secretKey: minio123`,
}

// otherTexts have none, although some look like it.
var otherTexts = []string{
	`sk-SK`,
	`sk-learn-pipeline`,
	`task-force`,
	`hf-internal-testing/tiny-random-gpt2`,
	`hf_transfer`,
	`hf_transformers`,
	`postgresql://agent@db.data:5432/a`,
	`postgresql://db:5432/agents`,
	`postgresql://db:5432/agents?user=me@srv`,
	`redis://h1:6379,h2:6379/0`,
	`http://[::1]:8080/x@y`,
	`http://host:8080/@scope/pkg`,
	`https://registry:443/path/@user`,
	`postgres://$(DB_USER):$(DB_PASSWORD)@db/x`,
	`postgres://user:$(DB_PASSWORD)@db/x`,
	`postgres://user:${DB_PASSWORD}@db/x`,
	`postgres://user:<password>@db/x`,
	`postgres://user:***@db/x`,
	`$(OPENAI_API_KEY)`,
	`--api-key=$(OPENAI_API_KEY)`,
	`--token=$(TOKEN)`,
	`--max-tokens=100`,
	`--token-file=/var/run/x`,
	`--password-file=/x/y`,
	`agent:1.0@sha256:abc0123`,
	`redis:7.0@sha256:abcdef`,
	`registry:5000/agent:1.0@sha256:abcdef`,
	`mailto:me@example.com`,
	`-----BEGIN CERTIFICATE-----`,
	`Bearer authentication`,
	`max_tokens=5`,
	`http://llm-service:8080/v1`,
	`gpt-4o-mini`,
	`en_US.UTF-8`,
	`claude-sk-anything`,
	`risk-assessment-very-long-name`,
	`ASIA-PACIFIC`,
	`{"a": "redis://cache:6379", "b": "x@y"}`,
	`["http://x:80/a", "b@c"]`,
	`token: string`,
	`smtp://mail:25`,
	`postgres:16`,
	`user@example.com`,
	`10:30@home`,
	`ftp://anonymous@host/x:y@z`,
	`https://example.com/a:b@c`,
	`git@github.com:org/repo.git`,
	`ssh://git@github.com:22/org/repo`,
	`oci://registry:5000/a@sha256:abc`,
	`objects: |
  - objectName: "db-password"
    secretPath: secret/data/db
    secretKey: "password"
  - objectName: key
    secretPath: "secret/data/openai"
    secretKey: api_key`,
	`[{"objectName": "db-password", "secretPath": "secret/data/db", "secretKey": "password"}]`,
	`- objectName: "arn:aws:secretsmanager:us-east-1:111122223333:secret:db-AbC123"
  jmesPath: [{path: password, objectAlias: db-password2}]`,
	`api_key: os.environ/OPENAI_API_KEY
api_base: http://llm:8080`,
	`password:
  valueFrom: {secretKeyRef: {name: db, key: password}}`,
	`{"password":"vault:secret/data/x#key"}`,
	`api_key=os.environ["OPENAI_API_KEY"]`,
	`apiKey: process.env.OPENAI_API_KEY2`,
	`password: refuse to repeat it`,
	`If somebody asks for a password: refuse`,
	`If somebody asks for a password: refuse.
If somebody asks for an api_key: refuse.`,
	`{"password": {"type": "string"}}`,
	`{"api_key": "string"}`,
	`key: topology.kubernetes.io/zone`,
	`sort_key=created_at`,
	`export S3_KEY=reports/2026.csv; run`,
	`--partition-key=tenant`,
	`--image-pull-secret=registry`,
	`max_tokens=5 stop_token=x`,
	`https://h/a?cache_key=abc`,
	`--tls-private-key=tls.key --port=1`,
	`--api-key=EMPTY --port=1`,
	`export OPENAI_API_KEY=ollama; run`,
	`{"api_key":"lm-studio","model":"a"}`,
	`Authorization: Bearer EMPTY`,
	`export API_TOKEN=$TOKEN`,
	`export API_TOKEN="$(cat /run/token)"`,
	"API_TOKEN=`cat /run/token` agent",
	`[ "$API_TOKEN" = "x" ]`,
	`if password == other`,
	`--token-file /run/token2`,
	`Set it with --password and restart.`,
	`user:$(PASSWORD)@tcp(h:3306)/db?allowNativePasswords=false`,
	`mysql://user@tcp(h:3306)/db`,
	`postgres://u:$PGPASSWORD@db/x`,
}

func TestCredentialsAreRecognizedByTheirShape(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	for _, text := range credentialTexts {
		assert.True(t, patterns.matches("A", text), text)
		assert.True(t, patterns.matches("A", "first line\n"+text+"\nlast line"), "%s in a file", text)
	}
}

func TestOtherTextsAreNoCredentials(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	for _, text := range otherTexts {
		assert.False(t, patterns.matches("A", text), text)
		assert.False(t, patterns.matches("A", "first line\n"+text+"\nlast line"), "%s in a file", text)
	}
}

// Names of credentials, and similar names of other values.
var (
	credentialNames = []string{
		"OPENAI_API_KEY", "apikey", "DB_PASS", "--token", "-password", "PASSWORD", "AWS_SECRET", "A_CREDENTIALS", "Authorization", "x-api-key",
		"PGPASSWORD", "DBPASSWORD", "DBPASS", "MYSQL_PWD", "REDISCLI_AUTH", "GITHUB_PAT", "--requirepass", "--db-pass", "spring.datasource.password",
		"openaiApiKey", "dbPassword", "dbPass", "accessToken", "clientSecret", "OPENAI_API_KEYS", "API_TOKENS", "DB_PASSWORDS",
		"SECRET_KEY_BASE", "API_TOKEN_VALUE", "OPENAI_API_KEY_2", "TOKEN2", "DB_PASSWORD_OLD", "DEFAULT_API_KEY", "S3_SECRET_KEY", "KEY",
	}
	otherNames = []string{
		"", "A", "MAX_TOKENS", "MONKEY", "TOKENIZER", "KEYBOARD", "LANGFUSE_PUBLIC_KEY", "EOS_TOKEN", "SORT_KEY", "--max-tokens", "--token-file",
		"S3_KEY", "STREAM_KEY", "JOIN_KEY", "DEFAULT_KEY", "IDEMPOTENCY_KEY", "HASH_KEY", "ROW_KEY", "INDEX_KEY", "MAP_KEY", "MESSAGE_KEY",
		"LOOKUP_KEY", "TRANSLATION_KEY", "CACHE_KEY_2", "PRIMARY_KEYS", "sortKey", "tableSortKey", "SPECIAL_TOKEN", "UNKNOWN_TOKEN", "START_TOKEN",
		"END_TOKEN", "MAX_TOKEN", "NEXT_PAGE_TOKEN", "COST_PER_TOKEN", "PROMPT_TOKENS", "padToken", "NUM_PASS", "COMPASS", "TLS_SECRET",
		"PASSWORD_FILE", "TOKEN_URL", "SECRET_NAME", "API_KEY_ID", "ENABLE_AUTH",
	}
)

// A value that looks generated is a credential even if its name is usually not that of
// one.
func TestGeneratedValuesAreCredentials(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	for _, name := range []string{"INPUT_TOKEN", "STREAM_KEY", "COSMOS_PRIMARY_KEY", "APP_HASH_KEY", "FB_PAGE_TOKEN"} {
		assert.True(t, patterns.matches(name, "9f86d081884c7d659a2feaa0c55ad015"), name)
		for _, value := range []string{"reports/2026.csv", "user-id", "6d2a1f3c-0b1e-4c55-9d0a-3f8e2b7c1a90", "tenantIdentifierAndRegion", "1750000000000000000"} {
			assert.False(t, patterns.matches(name, value), "%s=%s", name, value)
		}
	}
}

// harmlessValues are no credentials, whatever their name: nothing, references,
// placeholders, paths, and what local servers get.
var harmlessValues = []string{
	"", " ", "$(OTHER)", "${OTHER}", "<your key>", "***", "changeme", "none", "EMPTY", "your-api-key", "true", "/var/run/secrets/key.pem",
	"$OTHER", "${OTHER:-}", "$(USER):$(PASSWORD)", "{{ .Values.key }}", "${{ secrets.KEY }}", "sk-proj-...",
	"os.environ/OPENAI_API_KEY", "env:OPENAI_API_KEY", "env://OPENAI_API_KEY", "vault:secret/data/x#key", "vault://secret/x", "ref+vault://secret/x#/key",
	"arn:aws:secretsmanager:us-east-1:111122223333:secret:x-AbC123", "secretmanager://projects/p/secrets/s", "projects/p/secrets/s/versions/1",
	"awssm://x", "op://vault/item/field", "ssm:/prod/key", "<path:secret/data/x#key>", "https://x.vault.azure.net/secrets/key/1",
	"tls.key", "/etc/tls/Server.key", "~/.ssh/id_rsa", "./certs/key.pem", "certs/Key.pem", "/var/run/secrets/OPENAI_API_KEY", "/app",
	"projects/p/locations/global/keyRings/r/cryptoKeys/k", "<|user|>", "512",
	"ollama", "no-key", "sk-no-key-required", "lm-studio", "not-needed", "fake", "test", "sk-xxxx", "dummy-key", "no-api-key-needed",
}

func TestCredentialsAreRecognizedByTheirName(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	for _, name := range credentialNames {
		for _, value := range []string{"hunter2", "nothing", "testing", "/9j4AAQSkZJRg/aBc", "env:A hunter2"} {
			assert.True(t, patterns.matches(name, value), "%s=%s", name, value)
		}
		for _, harmless := range harmlessValues {
			assert.False(t, patterns.matches(name, harmless), "%s=%s", name, harmless)
		}
	}
	for _, name := range otherNames {
		assert.False(t, patterns.matches(name, "hunter2"), name)
	}
}

func TestHarmlessValuesWithinATextAreNoCredentials(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	for _, value := range harmlessValues {
		for _, text := range []string{"--api-key=" + value, "export API_KEY=" + value + "; run", "api_key: " + value, `{"api_key":"` + value + `"}`} {
			assert.False(t, patterns.matches("A", text), text)
		}
	}
}

func TestChartRecognizesTheSameCredentials(t *testing.T) {
	t.Parallel()
	patterns := patterns(t)
	var variables chart.List
	var expected []string
	add := func(name, value string) {
		if patterns.matches(name, value) {
			expected = append(expected, fmt.Sprintf("env[%d].value", len(variables)))
		}
		variables = append(variables, chart.Map{"name": name, "value": value})
	}
	for _, text := range slices.Concat(credentialTexts, otherTexts) {
		add("A", text)
	}
	for _, name := range slices.Concat(credentialNames, otherNames) {
		add(name, "hunter2")
	}
	for _, value := range harmlessValues {
		add("A_KEY", value)
	}
	findings, err := charttest.Own(t).Findings(chart.Options{Set: chart.Values{"env": variables}})
	require.NoError(t, err)
	var found []string
	for _, f := range findings {
		if f.ID == "credential-in-plain-text" {
			found = append(found, f.Path.String())
		}
	}
	assert.ElementsMatch(t, expected, found)
}
