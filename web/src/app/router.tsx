import {
  createRootRoute,
  createRoute,
  createRouter,
  lazyRouteComponent,
  redirect,
} from '@tanstack/react-router';
import { Shell } from './Shell';

const root = createRootRoute({
  component: Shell,
  notFoundComponent: () => <p className="none">There is no such page.</p>,
});
const page = (path: string, load: () => Promise<{ default: React.ComponentType }>) =>
  createRoute({ getParentRoute: () => root, path, component: lazyRouteComponent(load) });

const tree = root.addChildren([
  createRoute({
    getParentRoute: () => root,
    path: '/',
    beforeLoad: () => {
      throw redirect({ to: '/devices' });
    },
  }),
  page('/devices', () => import('./pages/Devices')),
  page('/devices/$id', () => import('./pages/Devices')),
  page('/patients', () => import('./pages/Patients')),
  page('/patients/$id', () => import('./pages/Patients')),
  page('/quarantine', () => import('./pages/Quarantine')),
  page('/quarantine/$id', () => import('./pages/Quarantine')),
  page('/profiles', () => import('./pages/Profiles')),
  page('/profiles/$id', () => import('./pages/Profiles')),
  page('/system', () => import('./pages/System')),
]);

export const createAppRouter = () =>
  createRouter({ routeTree: tree, basepath: '/app', defaultPreload: 'intent' });

declare module '@tanstack/react-router' {
  interface Register {
    router: ReturnType<typeof createAppRouter>;
  }
}
