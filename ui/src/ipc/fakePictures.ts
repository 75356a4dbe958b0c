// Pictures for the made-up library, drawn as SVG: a scene, its light, and a shape that a photo of it might have.
import { random, SCENES, type Scene } from "./fakeData";

export interface Picture {
  scene: Scene;
  width: number;
  height: number;
  hue: number;
  light: number;
}

const SHAPES: readonly [number, number][] = [[6000, 4000], [4000, 6000], [4032, 3024], [3024, 4032], [5184, 3456], [3000, 3000], [8000, 2600], [1920, 1080]];

export function pictureOf(id: number): Picture {
  const next = random(id * 7919 + 17);
  const scene = SCENES[Math.floor(next() * SCENES.length)] ?? "beach";
  const [width, height] = SHAPES[Math.floor(next() * SHAPES.length)] ?? [3000, 2000];
  return { scene, width, height, hue: Math.floor(next() * 40) - 20, light: next() };
}

const HUES: Record<Scene, [sky: number, ground: number]> = {
  beach: [200, 42], mountain: [215, 150], city: [250, 230], forest: [95, 120], sunset: [18, 280], portrait: [30, 20], cat: [35, 25], flowers: [110, 330],
};

export function drawn(id: number, longest: number): string {
  const { scene, width, height, hue, light } = pictureOf(id);
  const scale = longest / Math.max(width, height);
  const [w, h] = [Math.round(width * scale), Math.round(height * scale)];
  const [sky, ground] = HUES[scene];
  const next = random(id);
  const top = `hsl(${sky + hue} ${45 + light * 25}% ${scene === "city" ? 22 + light * 20 : 58 + light * 22}%)`;
  const low = `hsl(${sky + hue + 20} 50% ${scene === "city" ? 38 : 80}%)`;
  const body = shapes(scene, w, h, `hsl(${ground + hue} ${35 + light * 20}% ${30 + light * 18}%)`, next);
  const svg = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}"><defs><linearGradient id="s" x2="0" y2="1"><stop stop-color="${top}"/><stop offset="1" stop-color="${low}"/></linearGradient></defs><rect width="${w}" height="${h}" fill="url(#s)"/>${body}</svg>`;
  return `data:image/svg+xml,${encodeURIComponent(svg)}`;
}

function shapes(scene: Scene, w: number, h: number, colour: string, next: () => number): string {
  switch (scene) {
    case "mountain":
    case "sunset":
      return sun(w, h, next) + ridge(w, h, 0.45, colour, 0.55, next) + ridge(w, h, 0.65, colour, 1, next);
    case "beach":
      return `<rect y="${h * 0.5}" width="${w}" height="${h * 0.28}" fill="hsl(196 55% 48%)"/><rect y="${h * 0.72}" width="${w}" height="${h * 0.28}" fill="${colour}" opacity=".75"/>` + sun(w, h, next);
    case "city":
      return Array.from({ length: 9 }, (_, index) => `<rect x="${(w / 9) * index}" y="${h * (0.25 + next() * 0.45)}" width="${w / 9 - 2}" height="${h}" fill="${colour}" opacity="${0.5 + next() * 0.5}"/>`).join("");
    case "forest":
      return Array.from({ length: 12 }, () => tree(next() * w, h * (0.7 + next() * 0.3), h * (0.4 + next() * 0.4), colour)).join("");
    case "portrait":
    case "cat":
      return `<ellipse cx="${w / 2}" cy="${h * 1.05}" rx="${h * 0.36}" ry="${h * 0.42}" fill="${colour}"/><circle cx="${w / 2}" cy="${h * 0.45}" r="${Math.min(w, h) * 0.2}" fill="hsl(28 45% 62%)"/>`;
    case "flowers":
      return Array.from({ length: 10 }, () => flower(next() * w, h * (0.3 + next() * 0.7), Math.min(w, h) * (0.06 + next() * 0.09), next)).join("");
  }
}

function sun(w: number, h: number, next: () => number): string {
  return `<circle cx="${w * (0.2 + next() * 0.6)}" cy="${h * 0.3}" r="${Math.min(w, h) * 0.08}" fill="#fff4d0" opacity=".9"/>`;
}

function ridge(w: number, h: number, base: number, colour: string, opacity: number, next: () => number): string {
  const peaks = Array.from({ length: 7 }, (_, index) => `${(w / 6) * index},${h * (base + (next() - 0.5) * 0.3)}`).join(" ");
  return `<polygon points="0,${h} ${peaks} ${w},${h}" fill="${colour}" opacity="${opacity}"/>`;
}

function tree(x: number, foot: number, tall: number, colour: string): string {
  return `<polygon points="${x},${foot - tall} ${x - tall * 0.22},${foot} ${x + tall * 0.22},${foot}" fill="${colour}" opacity=".8"/>`;
}

function flower(x: number, y: number, r: number, next: () => number): string {
  const colour = `hsl(${320 + next() * 70} 70% 62%)`;
  return `<circle cx="${x}" cy="${y}" r="${r}" fill="${colour}" opacity=".85"/><circle cx="${x}" cy="${y}" r="${r * 0.35}" fill="#ffe27a"/>`;
}
