/** Below those that the system gives to whoever asks for none, such as each client. */
const [FIRST, LAST] = [10_000, 32_000];

/**
 * A TCP port on 127.0.0.1 that was free a moment ago. Others who ask, and clients, hardly get the
 * same one, also while nobody listens on it.
 */
export function freePort(): number {
  for (;;) {
    const port = FIRST + Math.floor(Math.random() * (LAST - FIRST));
    try {
      Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } }).stop(true);
      return port;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "EADDRINUSE") throw error;
    }
  }
}
