/**
 * What a person is told of a day whose folder has all the images that it may have
 * (`max_images_write`): from then on all is answered OK and nothing is kept, so nothing else gives
 * it away.
 *
 * @module
 */

/**
 * @param images in today's folder
 * @param limit how many it may have
 * @returns undefined where there is room for more
 */
export function capReached(images: number, limit: number): string | undefined {
  if (images < limit) return undefined;
  const [has, may] = [images, limit].map((count) => count.toLocaleString("en-US"));
  return `CAP REACHED: today's folder has ${has} of ${may} images (max_images_write). Until midnight, more images are answered OK but not stored`;
}
