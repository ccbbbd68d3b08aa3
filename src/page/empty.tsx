/**
 * What a hub without images shows.
 *
 * @module
 */

import { CopyButton } from "./copy.tsx";
import { useStatus } from "./hub.ts";
import { isView } from "./hubs.tsx";

/** The line that sends a first image. */
export function Empty() {
  const status = useStatus();
  if (isView()) return <EmptyBucket />;
  const port = status?.settings.port ?? 5555;
  const command = status?.send_command ?? undefined;
  const line =
    command ?? `imagehub send photo.jpg --node Barn --to tcp://${location.hostname}:${port}`;
  return (
    <section class="empty">
      <h1>No images yet</h1>
      <p>
        This hub is ready. Send it a first image
        {command === undefined ? "" : ", with a command on its own machine"}:
      </p>
      <p class="command">
        <code>{line}</code>
        <CopyButton text={line} label="Copy" />
      </p>
      <p class="muted">It appears here as soon as it is stored.</p>
    </section>
  );
}

function EmptyBucket() {
  return (
    <section class="empty">
      <h1>No images yet</h1>
      <p>No hub has copied anything into this bucket yet.</p>
      <p class="muted">What hubs copy appears here.</p>
    </section>
  );
}
