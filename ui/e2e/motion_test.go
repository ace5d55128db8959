package e2e

import "testing"

// TestMotionInABrowser has a demo of its own, because it waits for what the demo
// shows from its beginning on.
func TestMotionInABrowser(t *testing.T) {
	tools := needTools(t)
	house := startDemo(t, build(t))
	out := t.TempDir()
	runScript(t, tools, "motion.mjs", out,
		"LARES_URL="+house.url, "LARES_USER="+house.user, "LARES_PASSWORD="+house.password)
	if t.Failed() {
		keepAll(t, out)
	}
}
