// Package plugintest holds a plugin against the contract that every plugin promises to keep: it starts the plugin as the
// runner does, calls it as the runner does, and says what it found, check by check.
//
//	func TestMain(m *testing.M) { plugintest.Main(m, New) }
//
//	func TestContract(t *testing.T) {
//		file := filepath.Join(t.TempDir(), "motd")
//		plugintest.Run(t, plugintest.Options{Cases: []plugintest.Case{{
//			Action:  "write",
//			Inputs:  map[string]any{"path": file, "text": "hello"},
//			Prepare: func(context.Context) error { return os.RemoveAll(file) },
//			Watch:   []string{file},
//		}}})
//	}
//
// It knows nothing of the runner and is written in terms of the wire alone, so that it fits plugins in any language:
// `coppice plugin test` is the same checks on an executable.
//
// Words. A check is one promise of the contract; Checks lists them. A case is an action with inputs, together with how to bring
// the machine into the state in which the action has something to do. Without a case an action is only asked to describe itself and
// to refuse what does not fit its schema. State is what a case says that its action changes: files, or a text that a function makes.
package plugintest
