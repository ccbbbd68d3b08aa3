/**
 * Undoes things however the process ends, for example mounts and started processes. Ctrl-C and
 * SIGTERM make the process exit. At exit, everything is undone in reverse order.
 *
 * @module
 */

const pending = new Set<() => void>();

/** Calls `undo` when the process exits. @returns a function that calls it now, and only once */
export function atExit(undo: () => void): () => void {
  const entry = (): void => {
    if (pending.delete(entry)) undo();
  };
  pending.add(entry);
  return entry;
}

process.on("exit", () => {
  for (const undo of [...pending].toReversed()) {
    try {
      undo();
    } catch (error) {
      console.error(error);
    }
  }
});

/** Makes signals exit the process normally. Not for `bun test`, which handles signals itself. */
export function exitOnSignals(): void {
  for (const [signal, status] of [
    ["SIGINT", 130],
    ["SIGTERM", 143],
    ["SIGHUP", 129],
  ] as const)
    process.once(signal, () => process.exit(status));
}

/** Runs a short command. @throws {Error} with its output if it fails */
export function command(...words: readonly string[]): string {
  const { success, stdout, stderr } = Bun.spawnSync([...words], {
    stdin: "ignore",
    timeout: 60_000,
  });
  if (!success) throw new Error(`${words.join(" ")}: ${stderr.toString().trim() || "failed"}`);
  return stdout.toString();
}
