"""The fence agent fence_masakari_guard, in Pacemaker's fencer."""
