// What is used in the app of modules that are there only when Nuxt builds it. The package's declarations
// name them, and mean the app's own.

interface ImportMeta {
  readonly server: boolean;
  readonly prerender: boolean;
}

declare module "vue" {
  export interface ComputedRef<T = unknown> {
    readonly value: T;
  }
}

declare module "#imports" {
  import type { ComputedRef } from "vue";

  export interface Ref<T> {
    value: T;
  }
  export interface NuxtApp {
    ssrContext?: { error?: unknown };
    payload: { serverRendered?: boolean };
    hooks: { hookOnce(name: "app:suspense:resolve", hook: () => unknown): void };
  }
  export function computed<T>(get: () => T): ComputedRef<T>;
  export function shallowRef<T>(value: T): Ref<T>;
  export function useState<T>(key: string, init: () => Ref<T>): Ref<T>;
  export function useRequestEvent(): { context: object } | undefined;
  export function defineNuxtPlugin(plugin: {
    name: string;
    setup(nuxtApp: NuxtApp): Promise<void>;
  }): (nuxtApp: unknown) => Promise<void>;
}

declare module "#build/filesession.mjs" {
  export const endpoint: string;
  export function parse(text: string): unknown;
}

declare module "#filesession/nuxt" {
  export const publicKeys: readonly string[];
  export function stringify(value: unknown): string;
}
