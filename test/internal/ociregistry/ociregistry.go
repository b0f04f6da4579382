// Package ociregistry runs the registry of the CNCF project Distribution on loopback.
package ociregistry

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/crypto/bcrypt"

	"example.com/ai-agent/test/internal/process"
)

// User and Password are accepted by a registry with login.
const (
	User     = "robot"
	Password = "correct-horse"
)

// Registry is one that runs until the end of a test.
type Registry struct {
	Host   string // 127.0.0.1 and its port
	CA     string // file with its certificate, or "" without TLS
	Folder string // what it stores
}

// Start starts a registry: without TLS and login, or with both.
func Start(t *testing.T, secure bool) Registry {
	t.Helper()
	folder := t.TempDir()
	r := Registry{Host: process.FreeAddress(t), Folder: filepath.Join(folder, "data")}
	config := Config(r.Host, r.Folder)
	if secure {
		r.CA = filepath.Join(folder, "ca.pem")
		key := filepath.Join(folder, "key.pem")
		certificate(t, r.CA, key)
		users := filepath.Join(folder, "users")
		hash, err := bcrypt.GenerateFromPassword([]byte(Password), bcrypt.MinCost)
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(users, fmt.Appendf(nil, "%s:%s\n", User, hash), 0o600))
		config += fmt.Sprintf("  tls: {certificate: %s, key: %s}\nauth: {htpasswd: {realm: test, path: %s}}\n", r.CA, key, users)
	}
	file := filepath.Join(folder, "config.yaml")
	require.NoError(t, os.WriteFile(file, []byte(config), 0o600))
	process.Start(t, r.Host, []string{"OTEL_TRACES_EXPORTER=none"}, "registry", "serve", file)
	return r
}

// Config returns the configuration of a registry without TLS and login that listens on an
// address and stores in a folder.
func Config(address, folder string) string {
	return fmt.Sprintf("version: 0.1\nlog: {level: error, accesslog: {disabled: true}}\nstorage: {filesystem: {rootdirectory: %s}}\nhttp:\n  addr: %s\n", folder, address)
}

// certificate writes a certificate for loopback, which is its own CA, and its key.
func certificate(t *testing.T, certificateFile, keyFile string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test registry"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	signed, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	require.NoError(t, err)
	encoded, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(certificateFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: signed}), 0o600))
	require.NoError(t, os.WriteFile(keyFile, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: encoded}), 0o600))
}
