/**
 * The entries of the setting `webhooks`.
 *
 * @module
 */

import * as z from "zod";

/** What happens, as `on` names it. */
export const NEWS = ["event", "image", "silent", "disk", "health", "start"] as const;

/** Keys of an entry that are paths. */
export const WEBHOOK_PATHS = ["url_file", "header_file", "secret_file", "template", "ca"] as const;

/** Keys of an entry that are secrets: for Slack, Discord or ntfy, who has the URL may write. */
export const WEBHOOK_SECRETS = ["url"] as const;

const news = z.array(z.enum(NEWS)).min(1);

/** A list, or one word, or several with commas. */
const on = z.unknown().transform((value, context): z.output<typeof news> => {
  const parsed = news.safeParse(typeof value === "string" ? value.split(/[\s,]+/) : value);
  if (parsed.success) return parsed.data;
  for (const { path } of parsed.error.issues)
    context.addIssue({ code: "custom", path: Array.isArray(value) ? path : [] });
  return z.NEVER;
});

const path = () => z.string().regex(/^\P{Cc}+$/u);

/**
 * Whether this can be the URL of a webhook. One with `…` is not whole: `imagehub check` shows it
 * so.
 */
export function isWebhookUrl(text: string): boolean {
  const url = URL.parse(text);
  return url !== null && /^https?:$/.test(url.protocol) && !/[\s…\p{Cc}]/u.test(text);
}

/** One receiver of HTTP requests. */
export const webhook = z
  .strictObject({
    url: z.string().refine(isWebhookUrl).optional(),
    url_file: path().optional(),
    on,
    match: z
      .string()
      .regex(/^[^/\p{Cc}]+$/u)
      .optional(),
    text: z.string().min(1).optional(),
    header_file: path().optional(),
    secret_file: path().optional(),
    template: path().optional(),
    ca: path().optional(),
  })
  .refine(({ url, url_file: file }) => (url === undefined) !== (file === undefined), {
    path: ["url"],
  });

/** See {@link webhook}. */
export type WebhookSettings = z.output<typeof webhook>;
