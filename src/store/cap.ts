/**
 * The message when a day's folder has reached its maximum of images (`max_images_write`). From then
 * on, images are answered OK but not stored, and nothing else shows it.
 *
 * @module
 */

/**
 * @param images in today's folder
 * @param limit their maximum
 * @returns undefined if there is room for more
 */
export function capReached(images: number, limit: number): string | undefined {
  if (images < limit) return undefined;
  const [has, may] = [images, limit].map((count) => count.toLocaleString("en-US"));
  return `CAP REACHED: today's folder has ${has} of ${may} images (max_images_write). Until midnight, more images are answered OK but not stored`;
}
