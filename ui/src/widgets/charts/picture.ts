// A chart as a file. What the style sheets say is written into the picture, because it has to stand alone.
const WRITTEN = ["fill", "fill-opacity", "stroke", "stroke-width", "stroke-dasharray", "stroke-linecap", "opacity", "font-family", "font-size", "font-weight", "text-anchor", "dominant-baseline", "visibility"];
/** Pixels a chart's pixel becomes, so that it is sharp on paper and on dense screens. */
const PNG_SCALE = 2;

/** Photos are left out: they are the person's, and a file of its own may not refer to them. */
export function asSvg(chart: SVGSVGElement): string {
  const copy = chart.cloneNode(true) as SVGSVGElement;
  const [from, to] = [chart.querySelectorAll("*"), copy.querySelectorAll("*")];
  from.forEach((element, index) => {
    const style = getComputedStyle(element);
    const target = to[index] as SVGElement;
    target.removeAttribute("class");
    for (const name of WRITTEN) target.style.setProperty(name, style.getPropertyValue(name));
  });
  copy.querySelectorAll("image, [data-screen-only]").forEach((element) => element.remove());
  const { width, height } = chart.getBoundingClientRect();
  for (const name of ["class", "tabindex", "role"]) copy.removeAttribute(name);
  copy.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  copy.setAttribute("viewBox", `0 0 ${width} ${height}`);
  copy.setAttribute("width", String(width));
  copy.setAttribute("height", String(height));
  copy.prepend(ground(chart));
  return new XMLSerializer().serializeToString(copy);
}

function ground(chart: Element): SVGRectElement {
  const rectangle = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  for (const name of ["width", "height"]) rectangle.setAttribute(name, "100%");
  let behind: Element | null = chart;
  while (behind && /^(?:transparent|rgba\(0, 0, 0, 0\))$/u.test(getComputedStyle(behind).backgroundColor)) behind = behind.parentElement;
  if (behind) rectangle.setAttribute("fill", getComputedStyle(behind).backgroundColor);
  return rectangle;
}

export async function asPng(chart: SVGSVGElement): Promise<Uint8Array> {
  const { width, height } = chart.getBoundingClientRect();
  const picture = new Image(width, height);
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(asSvg(chart))}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [Math.ceil(width * PNG_SCALE), Math.ceil(height * PNG_SCALE)];
  canvas.getContext("2d")?.drawImage(picture, 0, 0, canvas.width, canvas.height);
  return canvasAsPng(canvas);
}

export async function canvasAsPng(canvas: HTMLCanvasElement): Promise<Uint8Array> {
  const blob = await new Promise<Blob | null>((resolve) => canvas.toBlob(resolve, "image/png"));
  if (!blob) throw new Error("the picture could not be encoded");
  return new Uint8Array(await blob.arrayBuffer());
}
