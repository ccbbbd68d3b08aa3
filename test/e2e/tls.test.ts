/** The hub's HTTP listener with TLS: certificates of openssl, curl, and the hub's own commands. */

import { afterAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { connect } from "node:tls";
import { stringify } from "yaml";
import { freePort } from "../../scripts/lib/free-port.ts";
import { lacks, type Program } from "../../scripts/lib/available.ts";
import { EXIT } from "../../src/errors.ts";
import { type CliResult, runCli } from "../support/hub/cli.ts";
import { type Hub, startHub } from "../support/hub/hub.ts";
import { httpOf } from "../support/hub/http.ts";
import { linesWith, until } from "../support/hub/output.ts";
import { tempDir } from "../support/machine/temp.ts";
import { type CertificateFiles, makeCertificate } from "../support/peers/certificates.ts";
import { RawHttp } from "../support/peers/raw-http.ts";
import { Sender } from "../support/peers/sender.ts";
import { BARN } from "./stored.ts";

setDefaultTimeout(120_000);

const temp = tempDir();
afterAll(() => temp[Symbol.dispose]());

const TOKEN = "0123456789abcdef0123456789abcdef";
const tokenFile = join(temp.path, "token");
writeFileSync(tokenFile, TOKEN, { mode: 0o600 });

/** A hub with the settings file that its own commands read, and files that can be replaced. */
interface TlsHub extends AsyncDisposable {
  readonly hub: Hub;
  readonly files: CertificateFiles;
  readonly port: number;
  readonly cli: (...args: string[]) => Promise<CliResult>;
}

/** The executable for this machine. */
const NATIVE = process.arch === "arm64" ? "arm64" : "x64";

let count = 0;

async function hubWith(
  shown: CertificateFiles,
  { token = false, program = "source" }: { token?: boolean; program?: Program } = {},
): Promise<TlsHub> {
  const dir = join(temp.path, `hub-${count++}`);
  mkdirSync(dir);
  const files = { certificate: join(dir, "hub.pem"), key: join(dir, "hub.key") };
  putInPlace(shown, files);
  const port = freePort();
  // Relative to the file, as other settings that name files.
  const http = {
    listen: `127.0.0.1:${port}`,
    ...(token && { token_file: tokenFile }),
    tls: { certificate: "hub.pem", key: "hub.key" },
  };
  writeFileSync(join(dir, "imagehub.yaml"), stringify({ hub: { http } }));
  const hub = await startHub({ dir, program, env: { IMAGEHUB_HTTP_LISTEN: http.listen } });
  return {
    hub,
    files,
    port,
    cli: async (...args) => await runCli([...args, "--path", dir], { home: temp.path }),
    [Symbol.asyncDispose]: async () => await hub[Symbol.asyncDispose](),
  };
}

function putInPlace(from: CertificateFiles, to: CertificateFiles): void {
  copyFileSync(from.certificate, to.certificate);
  copyFileSync(from.key, to.key);
}

/** What curl says to a request of a name that it finds at this port. */
function curl(name: string, port: number, ...args: string[]): string {
  const { stdout, stderr } = Bun.spawnSync(
    ["curl", "-sS", "--max-time", "20", "--resolve", `${name}:${port}:127.0.0.1`, ...args],
    { env: {}, stdout: "pipe", stderr: "pipe" },
  );
  return stdout.toString() + stderr.toString();
}

describe.skipIf(lacks("tls", "python", NATIVE))("HTTP with TLS", () => {
  const [old, next, soon] = ["old", "next", "soon"].map((name) =>
    makeCertificate(temp.path, name, name === "soon" ? { days: 3, age: 60 } : {}),
  ) as [CertificateFiles, CertificateFiles, CertificateFiles];
  const authority = makeCertificate(temp.path, "authority");
  const issued = makeCertificate(temp.path, "issued", { issuer: authority });
  const expired = makeCertificate(temp.path, "expired", { days: -1, issuer: authority });

  test("is spoken with curl and the hub's own status, and takes a renewed certificate on SIGHUP", async () => {
    await using place = await hubWith(old, { token: true, program: NATIVE });
    const { hub, port, files, cli } = place;
    expect(httpOf(hub)).toBe(`https://127.0.0.1:${port}`);
    const [before, after] = ["old", "next"].map((name) => [
      `https://${name}.example:${port}/healthz`,
      ["--cacert", join(temp.path, `${name}.pem`), "-H", `Authorization: Bearer ${TOKEN}`],
    ]) as [[string, string[]], [string, string[]]];
    expect(curl("old.example", port, before[0], ...before[1])).toBe("ok\n");
    expect(await cli("status")).toMatchObject({ status: EXIT.ok, stderr: "" });
    const open = connect({ port, host: "127.0.0.1", rejectUnauthorized: false });
    let heard = "";
    open.on("data", (chunk) => (heard += String(chunk)));
    const ask = `GET / HTTP/1.1\r\nHost: a\r\n\r\n`;
    open.write(ask);
    await until(hub, () => heard.includes("HTTP/1.1 200"));
    heard = "";

    putInPlace(next, files);
    const refused = await cli("status");
    expect(refused.status).toBe(EXIT.refused);
    expect(refused.stderr).toContain(
      `What answers at https://127.0.0.1:${port} shows another certificate than the one in hub.http.tls.certificate: if that was renewed, reload the hub`,
    );
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => curl("next.example", port, after[0], ...after[1]) === "ok\n");
    expect(curl("old.example", port, before[0], ...before[1])).toContain("certificate");
    expect(await cli("status")).toMatchObject({ status: EXIT.ok, stderr: "" });
    // A connection from before goes on.
    open.write(ask);
    await until(hub, () => heard.includes("HTTP/1.1 200"));
    open.destroy();

    const login = curl(
      "next.example",
      port,
      "-k",
      "-i",
      "-d",
      `token=${TOKEN}`,
      `https://next.example:${port}/login`,
    );
    expect(login).toMatch(/^Set-Cookie: imagehub-\S+; .*; Secure\r$/m);
  });

  test("carries images and live news", async () => {
    await using place = await hubWith(old);
    const { hub, port } = place;
    const url = `https://localhost:${port}/api/v1`;
    expect(curl("localhost", port, "-k", `${url}/cameras`)).toBe('{"cameras":[]}\n');
    const live = Bun.spawn(["curl", "-sSNk", "--max-time", "20", `${url}/live?only=image`], {
      stdout: "pipe",
    });
    let heard = "";
    const hearing = (async () => {
      for await (const chunk of live.stdout) heard += Buffer.from(chunk).toString();
    })();
    await until(hub, () => heard.includes("event: start"));
    await using sender = new Sender(hub.port);
    await sender.jpg("Barn|jpg|moving", { file: BARN });
    await until(hub, () => heard.includes("event: image"));
    live.kill();
    await hearing;
    const latest = `${url}/latest/Barn.jpg`;
    const { stdout } = Bun.spawnSync(["curl", "-sSk", "--limit-rate", "200k", latest], {
      stdout: "pipe",
    });
    expect(stdout.equals(readFileSync(BARN))).toBe(true);
  });

  test("keeps its certificate while the files do not fit, and says so", async () => {
    await using place = await hubWith(old);
    const { hub, port, files, cli } = place;
    const url = `https://localhost:${port}/healthz`;
    const isOld = (): boolean =>
      curl("localhost", port, "-v", "-k", url).includes("subject: CN=old");
    // As while both are being replaced, and while one is being written.
    for (const [what, spoil] of [
      ["does not fit the certificate", () => copyFileSync(next.certificate, files.certificate)],
      [
        "holds no complete certificate in PEM",
        () => writeFileSync(files.certificate, "-----BEGIN CERTIFICATE-----\nMIIB"),
      ],
      ["Cannot read", () => Bun.spawnSync(["rm", files.certificate])],
    ] as const) {
      putInPlace(old, files);
      spoil();
      const before = linesWith(hub, "so the old certificate stays in force").length;
      process.kill(hub.pid, "SIGHUP");
      await until(
        hub,
        () => linesWith(hub, "so the old certificate stays in force").length > before,
      );
      expect(linesWith(hub, "so the old certificate stays in force").at(-1)).toContain(what);
      expect(isOld()).toBe(true);
      const checked = await cli("check");
      expect(checked).toMatchObject({ status: EXIT.config, stdout: "" });
      expect(checked.stderr).toContain(what);
    }
  });

  test("with files that are of no use does not listen, and images are received all the same", async () => {
    await using place = await hubWith({ certificate: old.certificate, key: next.key });
    expect(linesWith(place.hub, "health and metrics are not available")[0]).toContain(
      "does not fit the certificate",
    );
  });

  test("says in the log, in /healthz and in check when the certificate expires soon, and in two when all can read the key", async () => {
    await using place = await hubWith(soon);
    const { hub, port, cli, files } = place;
    const notice = /The certificate of http\.tls expires on \d{4}-\d\d-\d\d: renew it, then reload/;
    await until(hub, () => notice.test(hub.output()));
    expect(curl("localhost", port, "-k", `https://localhost:${port}/healthz`)).toMatch(
      new RegExp(`^ok\n${notice.source}`),
    );
    expect(await cli("check")).toMatchObject({
      status: EXIT.ok,
      stderr: expect.stringMatching(notice),
    });
    expect((await cli("status")).stdout).toMatch(notice);
    Bun.spawnSync(["chmod", "644", files.key]);
    const line = `Every user of this machine can read the key in ${files.key}. To prevent this: chmod o= ${files.key}\n`;
    expect((await cli("check")).stderr).toEndWith(line);
    process.kill(hub.pid, "SIGHUP");
    await until(hub, () => hub.output().includes(line));
  });

  test("an expired certificate is shown, told by check, and refused by status", async () => {
    await using place = await hubWith(expired);
    const { hub, port, cli } = place;
    await until(hub, () => linesWith(hub, "The certificate of http.tls has expired on").length > 0);
    expect(curl("localhost", port, "-k", `https://localhost:${port}/healthz`)).toStartWith("ok\n");
    const checked = await cli("check");
    // Whoever reloads the service may want something else, such as a client's key that is gone.
    expect(checked.status).toBe(EXIT.ok);
    expect(checked.stderr).toContain("The certificate of http.tls has expired on");
    const asked = await cli("status");
    expect(asked.status).toBe(EXIT.refused);
    expect(asked.stderr).toContain("shows a certificate that has expired: renew it");
  });

  test("a certificate that somebody has issued is known by itself; elsewhere by who issued it", async () => {
    await using place = await hubWith(issued);
    const { port, cli } = place;
    expect(await cli("status")).toMatchObject({ status: EXIT.ok, stderr: "" });
    const url = `https://127.0.0.1:${port}`;
    const asked = await runCli(["status", "--url", url], { home: temp.path });
    expect(asked.status).toBe(EXIT.refused);
    expect(asked.stderr).toContain("that this machine does not trust");
    expect(asked.stderr).toContain("NODE_EXTRA_CA_CERTS");
  });

  test("sends who speaks HTTP without TLS to HTTPS, and closes what is neither, without a line in the log", async () => {
    await using place = await hubWith(old);
    const { hub, port } = place;
    const lines = linesWith(hub, " error ");
    using plain = new RawHttp(port);
    plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
    expect(await plain.untilClosed()).toBe(true);
    expect(plain.text).toStartWith("HTTP/1.1 400 Bad Request\r\n");
    const answer = curl("localhost", port, `http://localhost:${port}/`);
    expect(answer).toContain("This port speaks HTTPS: begin the address with https://");
    const wrong = await runCli(["status", "--url", `http://localhost:${port}`], {
      home: temp.path,
    });
    expect(wrong.stderr).toContain("speaks HTTPS: begin the address with https://");
    using other = new RawHttp(port);
    other.send("\0\0\0\0\0\0\0\0\0\0");
    expect(await other.untilClosed()).toBe(true);
    expect(other.text).not.toContain("HTTP");
    expect(linesWith(hub, " error ")).toEqual(lines);
  });

  test("connections that shake no hands make room for others, and end", async () => {
    await using place = await hubWith(old);
    const { hub, port } = place;
    const silent = Array.from({ length: 300 }, () => new RawHttp(port));
    try {
      const url = `https://localhost:${port}/healthz`;
      expect(curl("localhost", port, "-k", "--retry", "5", "--retry-all-errors", url)).toContain(
        "ok\n",
      );
      // Those that the kernel has turned away do not know it.
      await until(hub, () => silent.some(({ isClosed }) => isClosed));
      expect(linesWith(hub, " error ")).toEqual([]);
    } finally {
      for (const each of silent) each[Symbol.dispose]();
    }
  });
});
