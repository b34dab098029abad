// Pictures that people bring: read by the browser, made no larger than any model looks at, sent as a data: URL.

import { h } from "./dom.js";

const MOST = 1024;
/** What the service takes. */
export const KINDS = "image/png,image/jpeg,image/webp";

/** What is wrong with a file, in words. */
export class NoPicture extends Error {}

/** A canvas with the picture of a file. Throws NoPicture. */
export async function pictureOf(file) {
  const picture = await createImageBitmap(file).catch(() => {
    throw new NoPicture("this file is no picture that can be read here; choose a PNG, JPEG or WebP");
  });
  const scale = Math.min(1, MOST / Math.max(picture.width, picture.height));
  const canvas = h("canvas", {
    width: Math.max(1, Math.round(picture.width * scale)), height: Math.max(1, Math.round(picture.height * scale)),
  });
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  return canvas;
}

/** As the service takes it. */
export const sent = (canvas) => ({ image_url: canvas.toDataURL("image/png") });

/** The first picture among what was dropped or pasted. */
export const pictureIn = (transfer) => [...(transfer?.files ?? [])].find((file) => file.type.startsWith("image/"));
