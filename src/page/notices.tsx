/**
 * What a person should know about the hub.
 *
 * @module
 */

/** Sentences about the disk, the rules and the archive. */
export function Notices({ notices }: { readonly notices: readonly string[] }) {
  return (
    <>
      {notices.map((notice) => (
        <p class="notice" key={notice}>
          {notice}
        </p>
      ))}
    </>
  );
}
