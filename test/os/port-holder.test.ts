import { expect, setDefaultTimeout, test } from "bun:test";
import { createServer } from "node:net";
import { findPortHolder } from "../../src/os/port-holder.ts";
import { Context, SocketType } from "../../src/zmq/socket.ts";
import { listenTcp } from "../support/peers/tcp-server.ts";
import { freePort } from "../../scripts/lib/free-port.ts";

setDefaultTimeout(60_000);

test("findPortHolder gives undefined when nobody listens", () => {
  expect(findPortHolder(freePort())).toBeUndefined();
});

test("findPortHolder gives this process when it listens itself, until it does not", async () => {
  let port: number;
  {
    await using server = await listenTcp(() => undefined);
    port = server.port;
    const holder = findPortHolder(port);
    expect(holder?.pid).toBe(process.pid);
    expect(holder?.name).not.toBe("");
  }
  expect(findPortHolder(port)).toBeUndefined();
});

test.each(["tcp://*", "tcp://127.0.0.1"])(
  "findPortHolder gives the process when a socket of libzmq is bound to %s",
  (host) => {
    using context = new Context();
    using socket = context.socket(SocketType.router);
    const port = freePort();
    socket.bind(`${host}:${port}`);
    expect(findPortHolder(port)?.pid).toBe(process.pid);
  },
);

test("findPortHolder finds a socket of IPv6", async () => {
  const server = createServer();
  const listening = Promise.withResolvers<number>();
  server.on("error", (error) => listening.reject(error));
  server.listen(0, "::", () => {
    const address = server.address();
    listening.resolve(typeof address === "object" ? (address?.port ?? 0) : 0);
  });
  try {
    expect(findPortHolder(await listening.promise)?.pid).toBe(process.pid);
  } finally {
    server.close();
  }
});

test("findPortHolder names another process as ps does", async () => {
  const port = freePort();
  const script = `Bun.listen({ hostname: "127.0.0.1", port: ${port}, socket: { data() {} } }); console.log("listens");`;
  await using child = Bun.spawn([process.execPath, "-e", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await child.stdout.getReader().read();
  const ps = await Bun.file(`/proc/${child.pid}/comm`).text();
  expect(findPortHolder(port)).toEqual({ pid: child.pid, name: ps.trim() });
});

test("findPortHolder does not take a connection to a port for who listens on it", async () => {
  await using server = await listenTcp(() => undefined);
  const connected = Promise.withResolvers<void>();
  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: server.port,
    socket: { open: () => connected.resolve(), data: () => undefined },
  });
  await connected.promise;
  // The sender's own port is in use, but nobody listens on it.
  expect(socket.localPort).toBeGreaterThan(0);
  expect(findPortHolder(socket.localPort)).toBeUndefined();
  socket.end();
});
