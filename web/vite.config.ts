import react from '@vitejs/plugin-react';
import { defineConfig } from 'vitest/config';

// Where `npm run dev` and `npm run preview` find a running server.
const server = process.env['MUSTER_SERVER'] ?? 'http://127.0.0.1:8080';

// The page's host goes through unchanged: the server compares it with Origin.
const proxy = {
  '^/muster\\.v1\\.': { target: server, changeOrigin: false },
  '/live': { target: server, changeOrigin: false, ws: true },
  '/version': { target: server, changeOrigin: false },
};

// What the server sends with the page (internal/api); previews hold to it too.
const policy = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy, headers: { 'Content-Security-Policy': policy } },
  build: {
    target: 'es2023',
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 600,
  },
  css: { modules: { localsConvention: 'camelCaseOnly' } },
  test: { include: ['src/**/*.test.ts'], environment: 'node' },
});
