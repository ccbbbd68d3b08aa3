/**
 * A TCP port on 127.0.0.1 that was free a moment ago. The system assigns such ports in turn, so it
 * will not assign the same one again at once.
 */
export function freePort(): number {
  const listener = Bun.listen({
    hostname: "127.0.0.1",
    port: 0,
    socket: { data: () => undefined },
  });
  const { port } = listener;
  listener.stop(true);
  return port;
}
