import { describe, expect, setDefaultTimeout, test } from "bun:test";
import { CHECKOUT, lacks } from "../../scripts/lib/available.ts";
import { lacksMount } from "../support/machine/file-system.ts";
import { tempDir } from "../support/machine/temp.ts";

setDefaultTimeout(60_000);

/** A DNS server for one name, another one that never answers, and lookups. */
const SCRIPT = `
  import { writeFileSync } from "node:fs";
  import { addressOf } from "${CHECKOUT}/src/net/addresses.ts";

  const asked = Promise.withResolvers();
  await Bun.udpSocket({ hostname: "127.0.0.2", port: 53, socket: { data: () => asked.resolve() } });
  await Bun.udpSocket({
    hostname: "127.0.0.1",
    port: 53,
    socket: {
      data(socket, query, port, address) {
        const end = query.indexOf(0, 12) + 5;
        const isIpv4 = query[end - 3] === 1;
        const head = [query[0], query[1], 0x81, 0x80, 0, 1, 0, isIpv4 ? 1 : 0, 0, 0, 0, 0];
        const answer = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 5, 0, 4, 10, 1, 2, 3];
        const parts = [Buffer.from(head), query.subarray(12, end), Buffer.from(isIpv4 ? answer : [])];
        socket.send(Buffer.concat(parts), port, address);
      },
    },
  });
  const servers = (...lines) => writeFileSync("/etc/resolv.conf", lines.join("\\n") + "\\n");
  const say = (found) => console.log(found);
`;

/** Runs lookups in a network of its own, with an `/etc` that contains nothing else. */
function lookUp(lookups: string): string {
  using temp = tempDir();
  const shell = 'ip link set lo up && mount -t tmpfs none /etc && exec "$@"';
  const script = `${SCRIPT}${lookups}; process.exit();`;
  const command = ["unshare", "--mount", "--net", "sh", "-c", shell, "sh"];
  const { stdout, stderr } = Bun.spawnSync([...command, process.execPath, "-e", script], {
    cwd: temp.path,
    stdout: "pipe",
    stderr: "pipe",
  });
  expect(stderr.toString()).toBe("");
  return stdout.toString();
}

describe.skipIf(lacksMount() || lacks("network"))("addressOf", () => {
  test("asks the DNS servers that come after the start", () => {
    const lookups = `
      servers("nameserver 127.0.0.3");
      await addressOf("camera.test").catch(({ code }) => say(code));
      servers();
      await addressOf("camera.test").catch(({ code }) => say(code));
      servers("search test", "nameserver fe80::1%lo", "nameserver 127.0.0.1");
      say(await addressOf("camera.test"))`;
    expect(lookUp(lookups)).toBe("DNS_ECONNREFUSED\nDNS_ECONNREFUSED\n10.1.2.3\n");
  });

  test("asks the servers of a new network, also for those who wait for the old ones", () => {
    const lookups = `
      servers("nameserver 127.0.0.2");
      const old = addressOf("camera.test");
      await asked.promise;
      servers("nameserver 127.0.0.1");
      say(await addressOf("gate.test"));
      say(await old)`;
    expect(lookUp(lookups)).toBe("10.1.2.3\n10.1.2.3\n");
  });
});
