/**
 * What a hub without images shows.
 *
 * @module
 */

import type { Status } from "./answers.ts";
import { CopyButton } from "./copy.tsx";
import { useAnswer } from "./hub.ts";

/** The line that sends a first image. @param port on which the hub receives */
export function Empty({ port }: { readonly port: number }) {
  const command = useAnswer<Status>("api/status").data?.send_command ?? undefined;
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
