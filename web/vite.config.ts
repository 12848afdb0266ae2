import react from '@vitejs/plugin-react';
import { defineConfig } from 'vite';

// A running server for `npm run dev`; the same process serves the built UI.
const server = process.env.VIGIL_URL ?? 'http://127.0.0.1:8080';

export default defineConfig({
  plugins: [react()],
  server: {
    proxy: {
      '/api': server,
      '/ws': { target: server, ws: true },
    },
  },
  build: {
    target: 'es2022',
    manifest: true,
    // Every browser that runs this target preloads modules by itself.
    modulePreload: { polyfill: false },
    assetsInlineLimit: 0,
    chunkSizeWarningLimit: 1024,
    rolldownOptions: { input: ['wall.html', 'app.html', 'me.html'] },
  },
});
